"""Where the workers of one server count: a folder, found at the start and handed down to them.

Knows the file system and two variables of the environment, and nothing of what is counted.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path

from llm_proxy.sqlite.database import DatabaseUnusable
from llm_proxy.sqlite.place import our_folder

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that hands the path down. prometheus-client reads it when it is imported."""

SEAT = "LLM_PROXY_SEAT"
"""The variable that tells a worker which of the files are its own; no two have the same."""

_PREFIX = "metrics-"


def begin(environ: MutableMapping[str, str]) -> None:
    """Make an empty folder for a server that starts, and hand it down in `environ`.

    What servers left behind that were killed is removed. Where there is no folder to be had
    each worker counts for itself; a server of several has not started without one.
    """
    with suppress(OSError, DatabaseUnusable):
        above = our_folder()
        for left in _left_behind(above):
            shutil.rmtree(left, ignore_errors=True)
        folder = _of_this_process(above)
        folder.mkdir(mode=0o700)
        environ[FOLDER] = str(folder)


def end(environ: Mapping[str, str]) -> None:
    """Remove the folder of a server that has stopped."""
    folder = Path(environ.get(FOLDER, ""))
    if folder.name == f"{_PREFIX}{os.getpid()}":
        shutil.rmtree(folder, ignore_errors=True)


def _of_this_process(above: Path) -> Path:
    return above / f"{_PREFIX}{os.getpid()}"


def _left_behind(above: Path) -> Iterator[Path]:
    """The folders of servers that are no more, and of one that had our process id."""
    for folder in above.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX)
        if number.isdecimal() and (int(number) == os.getpid() or not _lives(int(number))):
            yield folder


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
