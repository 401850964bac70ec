"""An upstream that is a bare socket: it sends a test's script, byte by byte as it is written.

It owns the listening socket and one thread for each connection. It knows HTTP only so far as
to tell where the head of a request ends; the answers, their framing and faults are scripts.
"""

import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from enum import Enum
from typing import Any, TypeVar

import pytest

from llm_proxy.adapter.upstream import Upstream
from llm_proxy.settings import AdapterSettings

PATIENCE_SECONDS = 10.0
"""How long anybody waits for anybody else before the test has failed."""


class Act(Enum):
    """What a script does besides sending bytes and waiting for the test."""

    AWAIT_CLOSE = "wait until the client has closed the connection"
    AWAIT_REQUEST = "wait for one more request on the same connection"
    RESET = "break the connection off with a TCP reset"


class Ticking(threading.Event):
    """An event that happens by itself after a moment, as often as it is waited for."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        threading.Event().wait(0.02)  # even once a test has set this one
        return True


Item = TypeVar("Item")

Step = bytes | threading.Event | Act
"""Bytes are sent at once; an event is waited for. After the last step the connection ends."""


def head(*fields: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    """The head of an answer; an event stream, unless `fields` name another Content-Type."""
    if not any(field.lower().startswith("content-type:") for field in fields):
        fields = ("Content-Type: text/event-stream; charset=utf-8", *fields)
    return "\r\n".join((f"{version} {status}", *fields, "", "")).encode()


CHUNKED_HEAD = head("Transfer-Encoding: chunked")
CLOSING_HEAD = head("Connection: close")
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(payload: str) -> bytes:
    """One server-sent event."""
    return f"data: {payload}\n\n".encode()


def word(text: str) -> bytes:
    """One word of an answer, as the middle generation writes it."""
    return event(repr({"type": "response", "data": text}))


def citation(document: str) -> bytes:
    """One citation, as the middle generation writes it."""
    return event(repr({"type": "citation", "data": document}))


def ticked(sent: bytes) -> list[Step]:
    """Send the same again and again, for as long as any test lasts."""
    return [sent, Ticking()] * 1000


class RawUpstream:
    """What the upstream saw: the heads of the requests, and that a client went away.

    `asked` is set with the first request, and `requested` released once for each of them;
    `ended` once for each connection that the upstream has closed.
    """

    def __init__(self, script: tuple[Step, ...], tls: ssl.SSLContext | None) -> None:
        self._script = script
        self._tls = tls
        self._stopping = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        scheme = "https" if tls else "http"
        self.origin = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{self.origin}/stream?topNDocuments=3&sessionID=12345"
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.asked = threading.Event()
        self.requested = threading.Semaphore(0)
        self.left = threading.Event()
        self.ended = threading.Semaphore(0)
        self.problems: list[str] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def connections(self) -> int:
        """How many have been accepted."""
        return len(self._connections)

    def plays(self, *script: Step) -> None:
        """Play another script on the connections to come."""
        self._script = script

    def request_lines(self) -> list[str]:
        """The first line of each request."""
        return [request_head.partition("\r\n")[0] for request_head in self.heads]

    def stop(self) -> None:
        """Let every thread run to its end, whatever it waits for."""
        for step in self._script:
            if isinstance(step, threading.Event):
                step.set()
        self._stopping = True
        socket.create_connection(self._listener.getsockname()).close()
        self._threads[0].join(PATIENCE_SECONDS)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            if thread.is_alive():
                self.problems.append("a thread of the upstream did not end")

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopping:
                connection.close()
                return
            if self._tls is not None:  # the handshake is left to the thread that serves it
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(PATIENCE_SECONDS)
        with connection:
            try:
                if self._requested(connection):
                    self._play(connection)
            except TimeoutError:
                self.problems.append("the client neither sent nor closed anything")
            except OSError:  # the client went away amid the script, as a client may
                self.left.set()
        self.ended.release()

    def _requested(self, connection: socket.socket) -> bool:
        """Whether a whole request came; its head and body are kept."""
        received = b""
        while b"\r\n\r\n" not in received:
            more = connection.recv(65536)
            if not more:
                return False
            received += more
        request_head, _, body = received.partition(b"\r\n\r\n")
        self.heads.append(f"{request_head.decode()}\r\n\r\n")
        declared = re.search(rb"(?i)\r\ncontent-length: *(\d+)", request_head)
        while len(body) < int(declared[1] if declared else 0):
            body += connection.recv(65536)
        self.bodies.append(body)
        self.asked.set()
        self.requested.release()
        return True

    def _play(self, connection: socket.socket) -> None:
        for number, step in enumerate(self._script):
            match step:
                case bytes():
                    connection.sendall(step)
                case threading.Event():
                    if not step.wait(PATIENCE_SECONDS):
                        self.problems.append(
                            f"step {number} was not released: "
                            f"the client did not show what step {number - 1} had sent"
                        )
                        return
                case Act.AWAIT_REQUEST:
                    if not self._requested(connection):
                        self.left.set()
                        return
                case Act.AWAIT_CLOSE:
                    while connection.recv(65536):
                        pass
                    self.left.set()
                case Act.RESET:
                    no_lingering = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
                    return


@contextmanager
def raw_upstream(*script: Step, tls: ssl.SSLContext | None = None) -> Iterator[RawUpstream]:
    """Run an upstream that plays `script` on each connection, once it has read a request.

    With `tls` it speaks HTTPS.

    Raises:
        AssertionError: somebody waited in vain for `PATIENCE_SECONDS`; says who for what.
    """
    upstream = RawUpstream(script, tls)
    try:
        yield upstream
    except Exception as error:
        upstream.stop()
        for problem in upstream.problems:
            error.add_note(f"upstream: {problem}")
        raise
    upstream.stop()
    assert not upstream.problems, upstream.problems


@contextmanager
def full_backlog() -> Iterator[str]:
    """An address that neither accepts nor refuses; skips where the system has none."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.1)
            try:
                waiting.connect(listener.getsockname())
            except TimeoutError:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}/stream"
                return
        pytest.skip("connections beyond the backlog are accepted here")


def settings_for(url: str, **fields: Any) -> AdapterSettings:
    """Settings of an adapter that gives up as soon as the test does."""
    limits = {"idle_timeout_seconds": PATIENCE_SECONDS, "connect_timeout_seconds": PATIENCE_SECONDS}
    return AdapterSettings(url=url, **{**limits, **fields})


def payloads_of(asked: Upstream) -> Generator[str | None]:
    """What an upstream answers, each payload by itself, and `None` in between."""
    with closing(asked.payloads("why?")) as batches:
        for batch in batches:
            yield from [None] if batch is None else batch


def next_but(pause: object, items: Iterable[Item]) -> Item:
    """The next item that is no `pause`.

    Raises:
        AssertionError: there was none for `PATIENCE_SECONDS`, or none at all.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for item in items:
        if item != pause:
            return item
        assert time.monotonic() < deadline, "what has been sent is held back"
    raise AssertionError("the answer has ended too early")
