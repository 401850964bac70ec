"""A server in the background: one for all processes of a test run.

Whoever needs it first starts it and stops it; the others share it. Knows nothing of pytest.
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_OURS = ("LLM_PROXY_", "MOCK_", "STREAM_", "GUNICORN_", "WEB_CONCURRENCY")


READABLE = {"LLM_PROXY_JOURNAL_REDACTED": "false", "LLM_PROXY_JOURNAL_MAX": "100000"}
"""Settings by which tests read what they sent as they sent it, and all of it: they share the
journal, and each one takes its own requests out of it when it ends."""

QUICK = {"PYTHON_DOTENV_DISABLED": "1", "GUNICORN_CMD_ARGS": "--graceful-timeout 1"}
"""Nothing of a .env, and no patience at the end for streams that a test has left behind."""


class StartError(RuntimeError):
    """The server ended before it told its address; the message holds what it logged."""


@contextmanager
def shared_server(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """The URL of the server of all processes that name the same `folder`, until the context ends.

    The process that comes first starts it, and waits for the others to let go of it before it
    stops it. The system lets go for those that die: should the first one, the server goes on
    until the last of the others ends.

    Raises:
        StartError: the server does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address, lifeline = folder / "address", folder / "lifeline"
    with (folder / "start").open("w") as start, (folder / "use").open("w") as use:
        fcntl.flock(start, fcntl.LOCK_EX)
        if _alone(use):  # with what those have left behind who could not clear up
            address.unlink(missing_ok=True)
        fcntl.flock(use, fcntl.LOCK_SH)
        if address.exists():
            with _held(lifeline):
                fcntl.flock(start, fcntl.LOCK_UN)
                yield address.read_text()
            return
        lifeline.unlink(missing_ok=True)
        os.mkfifo(lifeline, 0o600)
        with running_server(folder / "log", settings, lifeline) as url:
            address.write_text(url)
            fcntl.flock(start, fcntl.LOCK_UN)
            try:
                yield url
            finally:
                fcntl.flock(use, fcntl.LOCK_EX)
                address.unlink()


def _alone(use: IO[str]) -> bool:
    """Whether nobody else uses the server."""
    try:
        fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def running_server(log_path: Path, settings: Mapping[str, str], lifeline: Path) -> Iterator[str]:
    """Run a mock on a free port until the context ends, or this process does; its URL.

    It goes on while anybody else holds `lifeline`, a named pipe, open for writing. Of our own
    environment it sees nothing that would set it up in another way.

    Raises:
        StartError: it does not start.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    command = ["mock", "--host", "127.0.0.1", "--port", "0", "--supervised"]
    with log_path.open("wb") as log, _held(lifeline) as held:
        with lifeline.open("rb", buffering=0) as read_end:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "llm_proxy", *command],
                env={**inherited, **QUICK, **READABLE, **settings},
                stdin=read_end,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        with process, held:  # at its end we let go, which stops the server, and it is waited for
            assert process.stdout is not None
            url = process.stdout.readline().decode().strip()
            if not url:
                process.wait()
                logged = log_path.read_text(errors="replace")
                raise StartError(f"The server did not start:\n{logged}")
            yield url


def _held(lifeline: Path) -> IO[bytes]:
    """The named pipe, open for writing; for reading as well, as else it waits for a reader."""
    return lifeline.open("r+b", buffering=0)
