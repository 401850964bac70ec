"""Leftovers: the files of servers that have stopped, and that nobody is likely to start again.

Knows the names of what belongs to one database, and nothing of what is stored.
"""

import os
import re
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from llm_proxy.sqlite.version import SUFFIX

KEPT_SECONDS = 7 * 24 * 60 * 60
"""For how long a file is kept that no server uses."""

_NAMED_BY_US = re.compile(r"([0-9]+|alone-[0-9a-f-]+)\.sqlite3")


def remove(path: str) -> None:
    """Remove a database with all that stands beside it."""
    for name in _files_of(path):
        with suppress(FileNotFoundError):
            os.unlink(name)


def remove_old(folder: Path) -> None:
    """Remove the databases in our folder that no process has open, and none has had for long.

    What cannot be removed stays: it is in nobody's way.
    """
    for entry in os.scandir(folder):
        if _NAMED_BY_US.fullmatch(entry.name) and _age_seconds(entry.path) > KEPT_SECONDS:
            with suppress(OSError, sqlite3.Error):
                _remove_unless_open(entry.path)


def _remove_unless_open(path: str) -> None:
    uri = f"file:{quote(path)}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection:
        # Whoever has it open holds a lock on it, even while it does nothing (SQLite, "WAL", 8).
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        remove(path)


def _age_seconds(path: str) -> float:
    """Since one of the files was written; a database with a log ahead of it is older than that."""
    written = [0.0]
    for name in _files_of(path):
        with suppress(OSError):
            written.append(os.lstat(name).st_mtime)
    return time.time() - max(written)


def _files_of(path: str) -> tuple[str, ...]:
    return (path, f"{path}-wal", f"{path}-shm", path + SUFFIX)
