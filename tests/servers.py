"""Our servers as processes of their own, on ports that the system picked.

It owns the command lines, the environment, the log and the end of each process; what a
server answers is its caller's business.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import requests

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 30.0

# Port 0 leaves the choice to the system. Of the two files that `flask run` reads by itself,
# .env is left out: it is the developer's, not the repository's.
GUNICORN = (sys.executable, "-m", "gunicorn", "wsgi:app")
GEVENT = ("--config", "gevent.conf.py")
# It writes its own log to standard output.
GRANIAN = ("sh", "-c", 'exec "$@" >&2', "-", sys.executable, "-m", "granian", "--interface", "wsgi")
FLASK = (sys.executable, "-m", "flask", "--env-file", ".flaskenv", "run", "--port", "0")
MOCK = (sys.executable, "-m", "llm_proxy", "mock", "--port", "0")
ADAPTER = (sys.executable, "-m", "llm_proxy", "adapter", "--port", "0")

_ADDRESS = re.compile(r"(?:Listening at:|Running on) (https?://[\w.:\[\]]+)")


class StartError(RuntimeError):
    """The process ended, or stayed silent, before it told its address."""


class Server:
    """A server that runs: where it is, its process, and what it has logged so far."""

    def __init__(self, process: subprocess.Popen[bytes], log: "_Log") -> None:
        self.process = process
        self._log = log
        self.url = ""

    def log_lines(self) -> list[str]:
        """Everything on standard error so far, cut at line feeds only."""
        return self._log.lines()

    def wait_for_log(
        self, predicate: Callable[[str], object], seconds: float = PATIENCE_SECONDS
    ) -> str:
        """The first line that fits, from the beginning of the log.

        Raises:
            TimeoutError: none came in time; the message holds the log.
        """
        return self.wait_for_logs(1, predicate, seconds)[0]

    def wait_for_logs(
        self, count: int, predicate: Callable[[str], object], seconds: float = PATIENCE_SECONDS
    ) -> list[str]:
        """All lines that fit, as soon as there are so many of them.

        Raises:
            TimeoutError: there were fewer; the message holds the log.
        """
        return self._log.wait_for(count, predicate, seconds)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One exchange on a connection of its own, its answer read to the end."""
        with new_session() as session:
            # An idle connection would hold up the end of gunicorn by two seconds, and the
            # answer keeps the session's alive.
            session.headers["Connection"] = "close"
            return session.request(method, self.url + path, timeout=PATIENCE_SECONDS, **options)


Running = Callable[..., AbstractContextManager[Server]]
"""Runs a server with so many further arguments, and the environment by name."""


def worker(server: Server) -> Path:
    """What Linux tells of the only worker process of a gunicorn."""
    pid = server.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return Path(f"/proc/{child}")


def new_session() -> requests.Session:
    """A session that neither proxies nor ~/.netrc of the developer have a say in."""
    session = requests.Session()
    session.trust_env = False
    return session


def running_gunicorn(*arguments: str, **env: str) -> AbstractContextManager[Server]:
    """Run `gunicorn wsgi:app` with the repository's configuration until the context ends."""
    return running((*GUNICORN, *arguments), **env)


def running_gevent(*arguments: str, **env: str) -> AbstractContextManager[Server]:
    """Run gunicorn as it is documented for many streams."""
    return running((*GUNICORN, *GEVENT, *arguments), **env)


@contextmanager
def running_granian(**env: str) -> Iterator[Server]:
    """Run granian as it is documented; it tells no port that the system picks, so we do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running((*GRANIAN, "--port", str(port), "wsgi:app"), **env) as server:
        # It tells its address before its worker listens, and stops badly before that.
        for _ in range(int(PATIENCE_SECONDS / 0.02)):
            with suppress(requests.ConnectionError):
                server.request("GET", "/health")
                break
            time.sleep(0.02)
        yield server


@contextmanager
def running(command: Sequence[str], **env: str) -> Iterator[Server]:
    """Run a command until the context ends; of the environment it sees PATH and `env` only.

    Raises:
        StartError: it does not come up; the message holds what it printed.
    """
    # In a group of its own, so that nothing of it outlives a process that has to be killed.
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environ(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process.stderr as stderr:
        log = _Log(stderr)
        try:
            server = Server(process, log)
            server.url = _address(server)
            yield server
        finally:
            _stop(process)
            log.join()


def ended(command: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the same surroundings to its end, which has to come by itself."""
    return subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=clean_environ(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def clean_environ(env: Mapping[str, str]) -> dict[str, str]:
    """PATH and `env`, with PORT=0, and with every .env of the developer ignored."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PORT": "0",
        "PYTHON_DOTENV_DISABLED": "1",  # wsgi.py and gunicorn.conf.py; python-dotenv >= 1.2
        "FLASK_SKIP_DOTENV": "1",  # `flask run`; --env-file is still read
        **env,
    }


def _address(server: Server) -> str:
    try:
        line = server.wait_for_log(_ADDRESS.search)
    except TimeoutError as error:
        raise StartError(f"The server did not tell its address. {error}") from None
    found = _ADDRESS.search(line)
    assert found is not None
    return found[1]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Log:
    """Lines of a pipe, collected by a thread until the pipe ends."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lines: list[str] = []
        self._over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def lines(self) -> list[str]:
        with self._changed:
            return list(self._lines)

    def wait_for(self, count: int, predicate: Callable[[str], object], seconds: float) -> list[str]:
        found: list[str] = []

        def settled() -> bool:
            found[:] = filter(predicate, self._lines)
            return len(found) >= count or self._over

        with self._changed:
            self._changed.wait_for(settled, seconds)
            if len(found) >= count:
                return found
            reason = "the log has ended" if self._over else f"none came for {seconds:g} s"
            log = "\n".join(self._lines)
        raise TimeoutError(f"{len(found)} of {count} lines, and {reason}:\n{log}")

    def join(self) -> None:
        self._thread.join(PATIENCE_SECONDS)

    def _collect(self) -> None:
        for line in self._pipe:
            with self._changed:
                self._lines.append(line.removesuffix(b"\n").decode(errors="replace"))
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()
