"""Where the shared file is: found by whoever starts a server, and handed down to its workers.

Knows the file system and two variables of the environment, and nothing of what is stored.
"""

import os
import secrets
import stat
import tempfile
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from llm_proxy.sqlite import leftovers
from llm_proxy.sqlite.database import MEMORY, Database, DatabaseUnusable
from llm_proxy.sqlite.schema import prepare, refuse_foreign

FILE = "LLM_PROXY_STATE"
"""The variable that hands the path down; not a setting."""

BOOT = "LLM_PROXY_BOOT"
"""The variable that hands down what is the same for all workers of one start of a server."""

_ALONE = "alone-"
"""How the file of a server begins whose port says nothing: nobody finds it a second time."""


class Place(Struct, frozen=True):
    """A path, and the boot id of the server that uses it."""

    path: str
    boot: str


def named(journal: str) -> str | None:
    """The file that the setting `LLM_PROXY_JOURNAL` names, if it names one."""
    return None if journal in ("", "off") else os.path.abspath(journal)


def whereabouts(journal: str, environ: Mapping[str, str]) -> Callable[[], Place]:
    """Where the file is for this process, to be asked when that matters.

    What was handed down counts, even if it came after this call: with `gunicorn --preload`
    it does. An application that nothing was handed down to is on its own, in the file that is
    named or in its memory.
    """
    alone = Place(named(journal) or MEMORY, secrets.token_hex(8))

    def whereabouts_now() -> Place:
        if FILE in environ and BOOT in environ:
            return Place(environ[FILE], environ[BOOT])
        return alone

    return whereabouts_now


def database(place: Callable[[], Place]) -> Database:
    """The database at that place; its first use is what begins a new start of a server."""
    return Database(
        lambda: place().path,
        lambda connection: prepare(connection, boot=place().boot),
        refuse_foreign,
    )


def choose(journal: str, port: int, workers: int, environ: MutableMapping[str, str]) -> None:
    """Choose the file of a server that starts, and hand it down in `environ`.

    What is in the file stays until a worker uses it: a server that runs already may be using
    it, and this start fail because of that.

    Without a name it is one for each port in a folder of ours, which is tidied up; for port 0,
    one of its own. A single worker does without a file where there is no folder to be had.

    Raises:
        DatabaseUnusable: there can be no such file.
    """
    boot = secrets.token_hex(8)
    path = named(journal)
    if path is None:
        name = f"{port}.sqlite3" if port else f"{_ALONE}{os.getpid()}-{boot}.sqlite3"
        try:
            folder = our_folder()
        except DatabaseUnusable:
            if workers > 1:
                raise
            path = MEMORY
        else:
            path = str(folder / name)
            with suppress(FileNotFoundError):
                os.utime(path)  # it is about to be used, and no longer old
            leftovers.remove_old(folder)
    database(partial(Place, path, boot)).check()
    environ[FILE], environ[BOOT] = path, boot


def end(environ: Mapping[str, str]) -> None:
    """Remove the file of a server that has stopped, unless another start is to find it."""
    path = environ.get(FILE, "")
    if os.path.basename(path).startswith(_ALONE):
        leftovers.remove(path)


def our_folder() -> Path:
    """The folder for temporary files of this user, made if need be; nobody else can write to it.

    Raises:
        DatabaseUnusable: there is none, or what has its name may be somebody else's.
    """
    try:
        folder = _temporary() / f"llm-proxy-{os.getuid()}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise DatabaseUnusable(f"there is no folder for temporary files: {error}") from None
    # Others may write into the folder above it, and put a link or a folder of theirs here.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise DatabaseUnusable(f"{str(folder)!r} is not a folder that is ours alone")
    return folder


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return Path("/dev/shm")  # noqa: S108 - as in gunicorn.conf.py: a read-only container
