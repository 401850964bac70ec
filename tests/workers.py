"""A real server with two workers, and a choice of which of them answers."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import Server, running_gunicorn

_BOOTED = re.compile(r"Booting worker with pid: (\d+)")


def workers(server: Server, count: int = 2) -> list[int]:
    """The last two of the workers, of which so many must have been started by then."""
    lines = server.wait_for_logs(count, _BOOTED.search)
    found = [match for line in lines if (match := _BOOTED.search(line))]
    return [int(match[1]) for match in found[-2:]]


@contextmanager
def asleep(pid: int) -> Iterator[None]:
    """The other worker has to answer, as long as this one cannot."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def two_workers(*arguments: str, **env: str) -> Iterator[tuple[Server, int, int]]:
    """A server, and its two workers, both of which have come up."""
    with running_gunicorn("--workers", "2", *arguments, **env) as server:
        one, other = workers(server)
        for pid in (one, other):
            with asleep(pid):
                assert server.request("GET", "/health").status_code == 200
        yield server, one, other
