"""Files that are there whole or not at all, whatever happens while they are written.

Knows nothing of what they hold.
"""

import os
import tempfile
from pathlib import Path


def write_once(path: Path, content: bytes) -> bool:
    """Write a file that nobody else can read, unless it exists; whether it was written.

    The content is on disk before the name is there, and of several that write at once one
    wins. A crash may leave a file behind whose name begins with a dot and does not end as
    that of `path` does; such a file never changes into anything else.

    Raises:
        OSError: it could not be written.
    """
    if path.exists():
        return False
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:  # mode 0600, as mkstemp made it
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links: the last one wins
            os.replace(temporary, path)
        _sync_folder(path.parent)
        return True
    finally:
        Path(temporary).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the new name on disk, where the system lets a folder be opened for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
