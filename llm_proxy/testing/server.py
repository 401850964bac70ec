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

_OURS = ("LLM_PROXY_", "MOCK_", "STREAM_", "GUNICORN_", "WEB_CONCURRENCY")


QUICK = {"PYTHON_DOTENV_DISABLED": "1", "GUNICORN_CMD_ARGS": "--graceful-timeout 1"}
"""Nothing of a .env, and no patience at the end for streams that a test has left behind."""


class StartError(RuntimeError):
    """The server ended before it told its address; the message holds what it logged."""


@contextmanager
def shared_server(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """The URL of the server of all processes that name the same `folder`, until the context ends.

    The process that comes first starts it, and waits for the others to let go of it before it
    stops it; the system lets go for those that die.

    Raises:
        StartError: the server does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "address"
    with (folder / "start").open("w") as start, (folder / "use").open("w") as use:
        fcntl.flock(start, fcntl.LOCK_EX)
        fcntl.flock(use, fcntl.LOCK_SH)
        if address.exists():
            fcntl.flock(start, fcntl.LOCK_UN)
            yield address.read_text()
            return
        with running_server(folder / "log", settings) as url:
            address.write_text(url)
            fcntl.flock(start, fcntl.LOCK_UN)
            try:
                yield url
            finally:
                fcntl.flock(use, fcntl.LOCK_EX)
                address.unlink()


@contextmanager
def running_server(log_path: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run a mock on a free port until the context ends, or this process does; its URL.

    Of our own environment it sees nothing that would set it up in another way.

    Raises:
        StartError: it does not start.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    command = ["mock", "--host", "127.0.0.1", "--port", "0", "--supervised"]
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "llm_proxy", *command],
            env={**inherited, **QUICK, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with process:  # at its end the pipes are closed, which stops the server, and it is waited for
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        if not url:
            process.wait()
            raise StartError(f"The server did not start:\n{log_path.read_text(errors='replace')}")
        yield url
