"""Processes: the servers that are measured, each started and stopped by its own handle.

Owns the ports, the environment, the folder and the end of each one.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from bench import machine
from bench.contenders import ROOT, Contender
from bench.load import LoadError, load

START_SECONDS = 30.0
LOOK_SECONDS = 0.005
MAX_PRINTED_CHARACTERS = 400


class StartError(RuntimeError):
    """A server does not come up; the message has the last of what it printed."""


class Server:
    """A server that runs, on a port of this machine."""

    def __init__(
        self, contender: Contender, port: int, process: subprocess.Popen[bytes], log: Path
    ) -> None:
        self.contender = contender
        self.name = contender.name
        self.port = port
        self._process = process
        self._log = log

    def await_port(self) -> None:
        """Wait until it accepts connections.

        Raises:
            StartError: it does not.
        """
        self._await(lambda: socket.create_connection(("127.0.0.1", self.port)).close())

    def await_answer(self, request: bytes) -> None:
        """Wait until it has answered a request with status 200.

        Raises:
            StartError: it does not.
        """
        self._await(lambda: load(self.port, request, 1, 0.0))

    def _await(self, sign: Callable[[], object]) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError, LoadError):
                sign()
                return
            time.sleep(LOOK_SECONDS)
        printed = self._log.read_text(errors="replace")[-MAX_PRINTED_CHARACTERS:].strip()
        raise StartError(f"It does not come up: {printed or 'it printed nothing'}")

    def pin(self, core: int) -> None:
        """Keep all that it has started, and what that starts, on one core."""
        machine.pin(machine.tree(self._process.pid), core)

    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far."""
        return machine.cpu_seconds(machine.tree(self._process.pid))

    def resident_kib(self) -> float:
        """Memory of all its processes."""
        return machine.resident_kib(machine.tree(self._process.pid))

    def worker_kib(self) -> float:
        """Memory of its largest process: the worker, where another one looks after it."""
        return max(machine.resident_kib([pid]) for pid in machine.tree(self._process.pid))


@contextmanager
def running(contender: Contender, core: int) -> Iterator[Server]:
    """Run a server on one core until the context ends, from when it accepts connections.

    Raises:
        StartError: it does not.
    """
    with started(contender) as server:
        server.await_port()
        server.pin(core)
        yield server


@contextmanager
def started(contender: Contender) -> Iterator[Server]:
    """Start a server on any core, without waiting for it; stop it when the context ends.

    Its log goes into a file, as every log goes somewhere.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        port = free_port()
        filled = partial(_filled, port=port, folder=folder)
        for name, content in contender.files.items():
            Path(folder, name).write_text(filled(content))
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [filled(word) for word in contender.command],
                cwd=ROOT,
                env=_environ({name: filled(value) for name, value in contender.env.items()}, port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_on_any_core,
            )
        try:
            yield Server(contender, port, process, log)
        finally:
            _stop(process)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _filled(text: str, port: int, folder: str) -> str:
    return text.replace("@PORT@", str(port)).replace("@FOLDER@", folder)


def _on_any_core() -> None:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))


def _environ(env: Mapping[str, str], port: int) -> dict[str, str]:
    """PATH, the port and what the contender asks for: no .env of the developer, no proxy."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PORT": str(port),
        "PYTHON_DOTENV_DISABLED": "1",
        **env,
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and all that it has started at once: nothing of it is worth an orderly end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
