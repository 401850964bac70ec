"""The legacy stand-in as a process of its own, on a port that the system picked.

It owns starting and stopping; what the stand-in answers is its caller's business.
"""

import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STANDIN_FOLDER = Path(__file__).parents[1] / "examples" / "legacy_api"
STANDIN_COMMAND = (sys.executable, str(STANDIN_FOLDER / "app.py"), "--port", "0")
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class StartError(RuntimeError):
    """The process ended, or stayed silent, before it announced its address."""


def standin_environ(env: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment, cleared of LEGACY_* and without pauses, plus `env`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("LEGACY_")
    }
    return {**inherited, "PYTHONUNBUFFERED": "1", "LEGACY_DELAY_SECONDS": "0", **env}


@contextmanager
def running_legacy(**env: str) -> Iterator[str]:
    """Run the stand-in and yield its base URL, without a slash at its end.

    `env` sets LEGACY_* variables; those of the caller's shell do not reach the process, and
    words come without pauses unless LEGACY_DELAY_SECONDS is given. Raises StartError, with
    what the process printed, when it does not come up.
    """
    with running_uvicorn(STANDIN_COMMAND, standin_environ(env)) as base_url:
        yield base_url


@contextmanager
def running_uvicorn(command: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """Run a command that logs as Uvicorn does and yield the base URL which it announces."""
    process = subprocess.Popen(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    lines: list[str] = []
    announced: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_drain, args=(process, lines, announced), daemon=True)
    reader.start()
    try:
        yield _awaited(announced, lines)
    finally:
        _stop(process)
        reader.join(STOP_SECONDS)


def _drain(
    process: subprocess.Popen[str], lines: list[str], announced: queue.SimpleQueue[str | None]
) -> None:
    """Read the output to its end, lest the pipe fill up; announce the address, then None."""
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            lines.append(line)
            if match := re.search(r"Uvicorn running on (http://\S+)", line):
                announced.put(match[1])
    announced.put(None)


def _awaited(announced: queue.SimpleQueue[str | None], lines: Sequence[str]) -> str:
    try:
        base_url = announced.get(timeout=START_SECONDS)
    except queue.Empty:
        reason = f"no address after {START_SECONDS:.0f} s"
    else:
        if base_url is not None:
            return base_url
        reason = "the process ended before it announced an address"
    raise StartError(f"{reason}; it printed:\n{''.join(lines)}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
