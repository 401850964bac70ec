"""A real server with two workers, and a choice of which of them answers."""

import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.servers import Server, running_gunicorn

_BOOTED = re.compile(r"Booting worker with pid: (\d+)")


def workers(server: Server, count: int = 2) -> list[int]:
    """The last two of the workers, of which so many must have been started by then."""
    lines = server.wait_for_logs(count, _BOOTED.search)
    found = [match for line in lines if (match := _BOOTED.search(line))]
    return [int(match[1]) for match in found[-2:]]


@contextmanager
def asleep(pid: int) -> Iterator[None]:
    """The other worker has to answer, as long as this one cannot.

    It does not fall asleep while it writes down what it answered: nobody else could write then.
    """
    try:
        _stop(pid)
        while _writes(pid):
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.01)
            _stop(pid)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _stop(pid: int) -> None:
    """Have every thread of a process stand still; one in a call of the kernel ends that first."""
    os.kill(pid, signal.SIGSTOP)
    while not _stopped(pid):
        time.sleep(0.001)


def _stopped(pid: int) -> bool:
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            if path.read_text().rpartition(") ")[2][0] != "T":
                return False
    return True


def _writes(pid: int) -> bool:
    """Whether a process, or one that shares its database, is in the middle of a transaction."""
    opened = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
    for path in (name.removesuffix("-wal") for name in opened if name.endswith("-wal")):
        with closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
    return False


@contextmanager
def two_workers(*arguments: str, **env: str) -> Iterator[tuple[Server, int, int]]:
    """A server, and its two workers, both of which have come up."""
    with running_gunicorn("--workers", "2", *arguments, **env) as server:
        one, other = workers(server)
        for pid in (one, other):
            with asleep(pid):
                assert server.request("GET", "/health").status_code == 200
        yield server, one, other
