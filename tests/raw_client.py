"""A client on a bare socket, which sees how an answer was written and how its connection ended."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from tests.servers import PATIENCE_SECONDS

End = Literal["whole", "closed", "reset"]


class RawAnswer(NamedTuple):
    """An answer: the chunks of its body as they were sent, or the body as the only one.

    `end`: the answer is `whole`, or the connection was `closed` or `reset` before.
    """

    status: int
    headers: Mapping[str, str]
    chunks: list[bytes]
    end: End

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


NOTHING = RawAnswer(0, {}, [], "closed")


@contextmanager
def sent(
    url: str,
    path: str,
    document: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> Iterator[socket.socket]:
    """A connection on which a request was sent, the last one; leaving hangs up."""
    body = b"" if document is None else json.dumps(document).encode()
    fields = {"Host": "x", "Connection": "close", "Content-Length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in (fields | dict(headers or {})).items()]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    server = (address.hostname, address.port)
    with socket.create_connection(server, timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head.encode() + body)
        yield connection


def asked(
    url: str,
    path: str,
    document: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> RawAnswer:
    """One exchange, read to the end of its connection."""
    with sent(url, path, document, headers, method) as connection:
        received, end = _read(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        return NOTHING._replace(end=end)
    status, *lines = head.decode().split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    answered = {name.lower(): value for name, _, value in pairs}
    if "content-length" in answered:
        whole = len(body) == int(answered["content-length"])
        chunks = [body]
    else:
        chunks, whole = _chunks(body)
    return RawAnswer(int(status.split()[1]), answered, chunks, "whole" if whole else end)


def _read(connection: socket.socket) -> tuple[bytes, End]:
    received = bytearray()
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        return bytes(received), "reset"
    return bytes(received), "closed"


def _chunks(body: bytes) -> tuple[list[bytes], bool]:
    """The chunks of a body (RFC 9112, 7.1), and whether the last one is among them."""
    chunks: list[bytes] = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return chunks, True
        chunks.append(body[:length])
        assert body[length : length + 2] == b"\r\n", "a chunk was cut"
        body = body[length + 2 :]
    return chunks, False
