"""Real time, spent while an eye is kept on the client's connection.

The only module that sleeps. Knows nothing of what is waited for.
"""

import select
import socket
import time
from typing import Protocol

from llm_proxy.errors import ClientGone

# POLLRDHUP (Linux) also tells of a peer that has closed its side; elsewhere POLLHUP does.
_CLOSED = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0)


class Clock(Protocol):
    """Time as the shell sees it; tests pass one that does not wait."""

    def now(self) -> float:
        """Seconds since some moment, never going backwards."""

    def wait(self, seconds: float) -> None:
        """Let so much time pass, at least none.

        Raises:
            ClientGone: the client has closed its connection, before or meanwhile.
        """


class ClientClock:
    """The system's time, interrupted when the client at `connection` goes away.

    Without a connection (a server that does not show it) a client that has gone is only
    noticed when the next write to it fails.
    """

    def __init__(self, connection: socket.socket | None) -> None:
        self._poll = None
        if connection is not None and _CLOSED and connection.fileno() >= 0:
            self._poll = select.poll()
            self._poll.register(connection, _CLOSED)

    def now(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        if self._poll is None:
            time.sleep(max(seconds, 0.0))
        elif self._poll.poll(max(seconds, 0.0) * 1000):
            raise ClientGone
