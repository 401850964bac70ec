"""A call: one exchange with the upstream that can be given up at any time.

Looking up a name, connecting, TLS, the head of an answer: each may block deep below requests,
where nobody can take turns. So another thread does all of that, the caller waits for it in
turns, and shuts the connection down when it has waited long enough: that frees a blocked thread
at once, as closing the connection does not. The body is read by the caller itself, which spares
two switches between threads for each piece.

Knows no limits, no events and no settings.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from llm_proxy.upstream.body import Answer
from llm_proxy.work.turns import pass_on

TURN_SECONDS = 0.25
"""How long anything is waited for before a look at whether it is still wanted."""


class GivenUp(Exception):
    """Nobody wants the answer any more."""


class _Running(threading.local):
    call: "Call"


_running = _Running()


class Call:
    """Asks by `ask`, which returns a response; then the body of that is to be received.

    `ask` is called by `run`, in another thread than everything else, and gets the call; what it
    raises, `receive` raises. The connections of the upstream find the call by the thread that
    they run in (`Call.current`).
    """

    def __init__(self, ask: Callable[["Call"], requests.Response]) -> None:
        self._ask = ask
        self._changed = threading.Condition()
        self._given_up = False
        self._failure: Exception | None = None
        self._connection: socket.socket | None = None
        self._answer: Answer | None = None
        self._over = False
        self.response: requests.Response | None = None
        self.fresh = False
        """Whether the last request went over a connection made for it."""
        self.connecting_since: float | None = None
        self.progress_at = time.monotonic()
        """When the upstream last did what was waited for, by `time.monotonic()`."""

    @staticmethod
    def current() -> "Call":
        """The call that is run by this thread."""
        return _running.call

    def receive(self, seconds: float) -> bytes | None:
        """The next piece of the body; empty at its end, None where none came for so long.

        At the end the connection is free for another call.

        Raises:
            Exception: what `ask` or reading the body raised.
        """
        pass_on()
        if self._answer is None:
            self._await_head(seconds)
            return None
        if self._over:
            return b""
        piece = self._answer.receive(seconds)
        if piece == b"":
            self._end()
        return piece

    @property
    def whole(self) -> bool:
        """Whether the body is known to be whole once it has ended."""
        return self._answer is not None and self._answer.transfer.marked

    def give_up(self) -> None:
        """End the call, whatever it is doing; after its end this does nothing.

        Where all that was left of the body was its end, the connection can be used again:
        whoever knows from what is said that it was all does not wait for that.
        """
        if self._answer is not None and not self._over and self._at_end(self._answer):
            self._end()
        self._unwanted()
        if self.response is not None and not self._over:
            self._over = True
            self.response.close()

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
        """Ask. A call that is given up comes back at once, wherever it is."""
        response: requests.Response | None = None
        failure: Exception | None = None
        _running.call = self
        try:
            self.check()
            response = self._ask(self)
            self.progressed()
        except GivenUp:
            pass
        except Exception as error:
            failure = error
        finally:
            del _running.call
        with self._changed:
            self._let_go()
            if response is None or not self._given_up:
                self._failure, self.response = failure, response
                response = None
            self._changed.notify_all()
        if response is not None:
            response.close()  # it came just when nobody wanted it any more

    def _unwanted(self) -> None:
        with self._changed:
            self._given_up = True
            self._changed.notify_all()
            if self._connection is not None:
                with suppress(OSError):  # the other side was faster
                    self._connection.shutdown(socket.SHUT_RDWR)

    def _await_head(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(self._answered, seconds)
        if self._failure is not None:
            raise self._failure
        if self.response is not None:
            raw: Any = self.response.raw
            self._answer = raw._original_response

    def _answered(self) -> bool:
        return self.response is not None or self._failure is not None

    def _at_end(self, answer: Answer) -> bool:
        try:
            return not self._given_up and answer.receive(0.0) == b""
        except (OSError, HTTPError):
            return False

    def _end(self) -> None:
        """Give the connection back, unless more came over it than was asked for."""
        assert self.response is not None
        assert self._answer is not None
        self._over = True
        raw: Any = self.response.raw
        if self._answer.transfer.surplus:
            self.response.close()
        else:
            self._answer.close()
            raw.release_conn()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
