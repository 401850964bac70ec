"""Real time and the client's connection: waiting while an eye is kept on it, and cutting it.

The only module that sleeps. Knows nothing of what is waited for.
"""

import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import NoReturn, Protocol

from llm_proxy.errors import ClientGone, ConnectionCut
from llm_proxy.work.turns import pass_on

# POLLRDHUP (Linux) also tells of a peer that has closed its side; elsewhere POLLHUP does.
_CLOSED = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0)

_TURN_SECONDS = 3600.0  # neither poll nor sleep takes any number, and a wait may have no end

LOOK_SECONDS = 0.25
"""How often a greenlet that waits looks after its client."""


class Clock(Protocol):
    """Time as the shell sees it; tests pass one that does not wait."""

    can_cut: bool
    """Whether `cut` can end the connection; else the server may end the answer in good order."""

    can_reset: bool
    """Whether `cut` can reset the connection."""

    sees_client: bool
    """Whether `wait` notices that the client has left."""

    def now(self) -> float:
        """Seconds since some moment, never going backwards."""

    def wait(self, seconds: float) -> None:
        """Let so much time pass, at least none; an infinite one lasts until the client leaves.

        Raises:
            ClientGone: the client has closed its connection, before or meanwhile.
        """

    def client_reads(self, seconds: float) -> bool:
        """Whether a client that has closed its side does not reset the connection for so long.

        A client that has closed all of it resets it when more is sent to it (RFC 9293, 3.10.7.1).
        """

    def cut(self, *, reset: bool) -> NoReturn:
        """End the connection in the middle of an answer.

        Raises:
            ConnectionCut: always; it has to get through to the server.
        """


class ClientClock:
    """The system's time, interrupted when the client at `connection` goes away.

    Without a connection (a server that does not show it) a client that has gone is only
    noticed when the next write to it fails. `can_reset` says whether the server can live with
    a connection that was closed under its hands, `can_cut` whether it ends one itself in the
    middle of an answer that fails.
    """

    def __init__(
        self, connection: socket.socket | None, *, can_cut: bool = True, can_reset: bool = False
    ) -> None:
        self.can_cut = can_cut
        self.can_reset = can_reset and connection is not None
        self._connection = connection
        self._poll = None
        if connection is not None and _CLOSED and connection.fileno() >= 0:
            self._poll = _system_poll()
            self._poll.register(connection.fileno(), _CLOSED)
        self.sees_client = self._poll is not None

    now = staticmethod(time.monotonic)  # asked for every chunk, so there is no step in between

    def wait(self, seconds: float) -> None:
        end = self.now() + seconds
        left = max(seconds, 0.0)
        while True:
            turn = min(left, _TURN_SECONDS)
            if turn:
                pass_on()
            if self._poll is None:
                time.sleep(turn)
            elif self._poll.poll(turn * 1000):
                raise ClientGone
            left = end - self.now()
            if left <= 0:
                return

    def client_reads(self, seconds: float) -> bool:
        if self._connection is None or self._poll is None or self._connection.fileno() < 0:
            return False
        pass_on()
        reset = _system_poll()
        reset.register(self._connection.fileno(), 0)  # errors are told of in any case
        return not self._happens(reset, seconds)

    def _happens(self, poll: "select.poll", seconds: float) -> bool:
        """Whether anything that `poll` looks for happens within so many seconds."""
        return bool(poll.poll(seconds * 1000))

    def cut(self, *, reset: bool) -> NoReturn:
        if self._connection is not None:
            if self.can_reset:
                _close(self._connection, reset=reset)
            else:
                # The server may think that it can go on with the next request: before the first
                # byte of an answer nothing tells it that one is missing.
                with suppress(OSError):  # the client has left, or the server closed it
                    self._connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionCut


class GreenletClock(ClientClock):
    """The same for a greenlet, which sleeps, and looks after the client now and then.

    Under gevent a greenlet that waits for something to happen to a socket costs half as much
    again as one that sleeps, for every piece of a stream. The looks cost next to nothing.
    """

    _look_at = 0.0

    def wait(self, seconds: float) -> None:
        end = self.now() + seconds
        while True:
            # Not 0, which would mean a turn behind all requests that have just come.
            time.sleep(min(max(end - self.now(), 1e-6), LOOK_SECONDS))
            moment = self.now()
            if moment >= self._look_at and self._poll is not None:
                if self._poll.poll(0):
                    raise ClientGone
                self._look_at = moment + LOOK_SECONDS
            if moment >= end:
                return

    def _happens(self, poll: "select.poll", seconds: float) -> bool:
        end = self.now() + seconds
        while not poll.poll(0):
            if self.now() >= end:
                return False
            time.sleep(min(seconds, LOOK_SECONDS))
        return True


def clock_of(
    connection: socket.socket | None, *, can_cut: bool = True, can_reset: bool = False
) -> ClientClock:
    """The clock that suits whoever runs this: a thread of the system or a greenlet."""
    kind = GreenletClock if _runs_greenlets() else ClientClock
    return kind(connection, can_cut=can_cut, can_reset=can_reset)


def _runs_greenlets() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("select")


def _system_poll() -> "select.poll":
    """The system's own `poll`, which blocks the process under gevent if it is let wait."""
    monkey = sys.modules.get("gevent.monkey")
    poll = select.poll if monkey is None else monkey.get_original("select", "poll")
    made: select.poll = poll()
    return made


def _close(connection: socket.socket, *, reset: bool) -> None:
    """Close the connection now; `reset` drops what is still to be sent and tells the peer so.

    That is what closing a socket that does not linger does (POSIX, `SO_LINGER`), if nobody
    has shut it down in order before. The server would, and would then wait a while for the
    client to close, too; so its descriptor is made to be that of another socket, which ends
    at once.
    """
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        os.dup2(ours.fileno(), connection.fileno(), inheritable=False)
