"""gunicorn's gevent worker, fit for streams: nobody holds up the others, nor the end.

Knows gunicorn and gevent, and nothing of what is served.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.server import StreamServer
from gevent.socket import socket
from gunicorn.workers.ggevent import GeventWorker

WRITES_AT_ONCE = 16
"""So many pieces of an answer are written before others have their turn, unless it waits itself."""

A_TURN = 1e-6
"""Sleep of no time: with 0, gevent puts who sleeps behind all requests that have just come, of
which it begins a few at a time, and streams would be late by half a second."""

LINGER_SECONDS = 2.0
"""For how long a worker that stops keeps idle connections, as gunicorn's gthread does: a request
may be on its way."""


# A hundred connections that come at once would all have their requests answered before anybody
# else's next piece was looked at, which takes longer than a piece may be late.
StreamServer.max_accept = 16

Application = Callable[..., Iterable[bytes]]
"""As WSGI has it (PEP 3333)."""


class StreamWorker(GeventWorker):  # type: ignore[misc] # gunicorn has no types
    """A process whose requests are greenlets: each has its turn when another one waits.

    What is written fits into a buffer of the system most of the time, so that neither a client
    that asks without a pause nor an answer without pauses would ever wait.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: dict[gevent.Timeout, gevent.Greenlet] = {}
        self._ending = False

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.wsgi: Application = _taking_turns(self.wsgi)

    def handle(self, listener: Any, client: socket, addr: Any) -> None:
        if not self.cfg.is_ssl:  # what encrypts would be lost with its socket
            client = _Connection(fileno=client.detach())
        super().handle(listener, client, addr)

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Wait for the next request on a connection, as long as that is wanted."""
        gevent.sleep(A_TURN)
        seconds = self.cfg.keepalive if self.alive else min(self.cfg.keepalive, LINGER_SECONDS)
        with gevent.Timeout(seconds, False) as timeout:
            self._idle[timeout] = gevent.getcurrent()
            try:
                yield
            finally:
                del self._idle[timeout]

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._linger()
        super().handle_exit(sig, frame)

    def notify(self) -> None:
        super().notify()
        if not self.alive:  # it may have answered as much as it was to
            self._linger()

    def _linger(self) -> None:
        if not self._ending:
            self._ending = True
            gevent.spawn_later(LINGER_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        """Let the time of all idle connections be over."""
        for timeout, greenlet in self._idle.items():
            gevent.kill(greenlet, timeout)


class _Connection(socket):  # type: ignore[misc] # gevent's types know no subclass
    """A connection that sends at once what there is room for, as there is for most pieces.

    gevent's own asks the system for the size of its buffer first, and sets up a wait.
    """

    def sendall(self, data: Any, flags: int = 0) -> None:
        try:
            sent = self._sock.send(data, flags)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            super().sendall(memoryview(data)[sent:], flags)


def _taking_turns(application: Application) -> Application:
    def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = application(environ, start_response)
        # A list is one document. What has no end in sight may have many pieces.
        return body if isinstance(body, list) else _InTurns(body)

    return wsgi


class _InTurns:
    """A body whose pieces leave room for others."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for number, piece in enumerate(self._body, 1):
            yield piece
            if not number % WRITES_AT_ONCE:
                gevent.sleep(A_TURN)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
