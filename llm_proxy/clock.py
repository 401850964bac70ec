"""Real time and the client's connection: waiting while an eye is kept on it, and cutting it.

The only module that sleeps. Knows nothing of what is waited for.
"""

import os
import select
import socket
import struct
import time
from typing import NoReturn, Protocol

from llm_proxy.errors import ClientGone

# POLLRDHUP (Linux) also tells of a peer that has closed its side; elsewhere POLLHUP does.
_CLOSED = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0)


class Clock(Protocol):
    """Time as the shell sees it; tests pass one that does not wait."""

    can_reset: bool
    """Whether `cut` can reset the connection."""

    def now(self) -> float:
        """Seconds since some moment, never going backwards."""

    def wait(self, seconds: float) -> None:
        """Let so much time pass, at least none.

        Raises:
            ClientGone: the client has closed its connection, before or meanwhile.
        """

    def cut(self, *, reset: bool) -> NoReturn:
        """End the connection in the middle of an answer.

        Raises:
            BrokenPipeError: what a server takes for a client that has left: it closes the
                connection without ending the body.
        """


class ClientClock:
    """The system's time, interrupted when the client at `connection` goes away.

    Without a connection (a server that does not show it) a client that has gone is only
    noticed when the next write to it fails. `can_reset` says whether the server lets go of
    the connection without ending it in order first.
    """

    def __init__(self, connection: socket.socket | None, *, can_reset: bool = False) -> None:
        self.can_reset = can_reset and connection is not None
        self._connection = connection
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

    def cut(self, *, reset: bool) -> NoReturn:
        if reset and self.can_reset:
            assert self._connection is not None
            _reset(self._connection)
        raise BrokenPipeError


def _reset(connection: socket.socket) -> None:
    """Send a reset instead of what is still to be sent.

    That happens when the last descriptor of a socket that does not linger is closed
    (POSIX, `SO_LINGER`). The server has one too, and would shut the connection down in order
    before it closes it: its descriptor is made to be that of another socket.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        os.dup2(ours.fileno(), connection.fileno())
