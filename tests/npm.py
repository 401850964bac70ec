"""Packages of npm: those of a `package-lock.json`, installed beside it once."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

OLDEST_NODE = 20
INSTALL_SECONDS = 120


class NotInstalled(Exception):
    """They cannot be had here; the message says why. `failed` says that npm tried."""

    def __init__(self, reason: str, *, failed: bool = False) -> None:
        super().__init__(reason)
        self.failed = failed


def install(folder: Path) -> None:
    """Install what `package-lock.json` names into `node_modules`, unless it is there.

    Raises:
        NotInstalled: it cannot be; `failed` where npm was there and did not do it.
    """
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            raise NotInstalled(f"{command} is not installed")
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
    found = re.match(r"v(\d+)", version.stdout)
    if found is None or int(found[1]) < OLDEST_NODE:
        raise NotInstalled(f"Node {version.stdout.strip()} is older than {OLDEST_NODE}")
    done = folder / "node_modules" / ".installed"
    with (folder / "package-lock.json").open("rb") as lock:
        # Several processes run the tests: the first one installs, the others wait for it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(lock.read()).hexdigest()
        if not done.exists() or done.read_text() != wanted:
            _install(folder)
            done.write_text(wanted)


def installed(folder: Path) -> None:
    """Install for a test; skip it where that cannot be, but fail where all is there (CI)."""
    try:
        install(folder)
    except NotInstalled as error:
        if error.failed and os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error).partition("\n")[0])


def _install(folder: Path) -> None:
    try:
        ended = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--loglevel=error", "--prefer-offline"],
            check=False,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
        problem = ended.stderr.strip() if ended.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"not done after {INSTALL_SECONDS} s"
    if problem:
        raise NotInstalled(f"npm ci failed: {problem}", failed=True)
