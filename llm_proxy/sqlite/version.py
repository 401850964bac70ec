"""A number that changes with the state, in memory that the processes of one server share.

Whoever keeps something in mind compares it for every request, which a query would make dear.
Knows nothing of what changes.
"""

import mmap
import os
import secrets

from llm_proxy.sqlite.database import MEMORY

SUFFIX = "-version"
"""What the name of the file has behind that of the database."""

_BYTES = 8


class Version:
    """The number that belongs to the database at `path`, in a small file beside it."""

    def __init__(self, path: str) -> None:
        memory = bytearray(_BYTES) if path == MEMORY else _shared(path + SUFFIX)
        self._number = memoryview(memory).cast("Q")

    def __call__(self) -> int:
        """The number as it is."""
        return self._number[0]

    def change(self) -> None:
        """Have a number that it never was before; to be called when a change is committed.

        What somebody made of the state before that has another number then, whoever else
        changed something at the same time, and in whatever order they say so.
        """
        self._number[0] = secrets.randbits(8 * _BYTES)


def _shared(path: str) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(file, _BYTES)
        return mmap.mmap(file, _BYTES)
    finally:
        os.close(file)
