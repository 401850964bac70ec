"""A call: one exchange with the upstream, in a thread of its own that can be given up.

Looking up a name, connecting, TLS, the head of an answer, the size of a chunk: each may block
deep below requests, where nobody can take turns. So a thread does all of that, the caller waits
for it in turns, and shuts the connection down when it has waited long enough: that frees a
blocked thread at once, as closing the connection does not. The thread ends with the call.

Knows no limits, no events and no settings.
"""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import requests

READ_BYTES = 65536

MAX_HELD_BYTES = 4 * READ_BYTES
"""What may have arrived and not been received; beyond it the upstream has to wait."""

TURN_SECONDS = 0.25
"""How long anything is waited for before a look at whether it is still wanted."""


class GivenUp(Exception):
    """Nobody wants the answer any more."""


class Call(threading.Thread):
    """Asks by `ask`, then reads the body of the response that it returns to its end.

    `ask` runs in this thread and gets the call; what it raises, `receive` raises. The
    connections of the upstream find the call by the thread that they run in (`Call.current`).
    """

    def __init__(self, ask: Callable[["Call"], requests.Response]) -> None:
        super().__init__(name="upstream-call", daemon=True)
        self._ask = ask
        self._changed = threading.Condition()
        self._arrived: deque[tuple[bytes, float]] = deque()
        self._held_bytes = 0
        self._over = False
        self._given_up = False
        self._failure: Exception | None = None
        self._connection: socket.socket | None = None
        self.response: requests.Response | None = None
        self.fresh = False
        """Whether the last request went over a connection made for it."""
        self.connecting_since: float | None = None
        self.progress_at = time.monotonic()
        """When something of the answer arrived last, or was begun, by `time.monotonic()`."""
        self.arrived_at = self.progress_at
        """When the piece that was received last had arrived, by `time.monotonic()`."""

    @classmethod
    def current(cls) -> Self:
        """The call whose thread this is."""
        thread = threading.current_thread()
        assert isinstance(thread, cls), "the upstream is asked by calls only"
        return thread

    def receive(self, seconds: float) -> bytes | None:
        """The next piece of the body; empty at its end, None where none came for so long.

        Raises:
            Exception: what `ask` or reading the body raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or self._over, seconds)
            if self._arrived:
                piece, self.arrived_at = self._arrived.popleft()
                self._held_bytes -= len(piece)
                self._changed.notify_all()
                return piece
            if not self._over:
                return None
            if self._failure is not None:
                raise self._failure
            return b""

    def give_up(self) -> None:
        """End the call, whatever it is doing; after its end this does nothing."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()
            if self._connection is not None:
                with suppress(OSError):  # the other side was faster
                    self._connection.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """Raises GivenUp where nobody wants the answer any more."""
        if self._given_up:
            raise GivenUp

    def progressed(self) -> None:
        self.progress_at = time.monotonic()

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Tell the caller that a connection is being made."""
        self.fresh = True
        self.connecting_since = time.monotonic()
        try:
            yield
        finally:
            self.connecting_since = None
            self.progressed()

    def hold(self, connection: socket.socket) -> None:
        """Be able to shut `connection` down until it is let go.

        By a second descriptor: TLS takes the first one out of the socket's hands.
        """
        held = socket.fromfd(connection.fileno(), connection.family, connection.type)
        with self._changed:
            self._let_go()
            if self._given_up:
                held.close()
                raise GivenUp
            self._connection = held

    def let_go(self) -> bool:
        """Leave the connection alone from now on; whether it is fit to be reused."""
        with self._changed:
            self._let_go()
            return not self._given_up

    def run(self) -> None:
        try:
            self.check()
            with self._ask(self) as response:
                self.response = response
                self.progressed()
                self._read(response.raw)
        except GivenUp:
            pass
        except Exception as error:
            self._failure = error
        finally:
            with self._changed:
                self._let_go()
                self._over = True
                self._changed.notify_all()

    def _read(self, raw: Any) -> None:
        # read1 alone gives what there is at once, of whatever kind the body is.
        while piece := raw.read1(READ_BYTES, decode_content=True):
            self.progressed()
            with self._changed:
                self._arrived.append((piece, self.progress_at))
                self._held_bytes += len(piece)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._held_bytes < MAX_HELD_BYTES or self._given_up)
            self.check()
            self.progressed()  # what it waited for was not the upstream

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
