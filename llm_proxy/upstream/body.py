"""The body of an answer, read by whoever wants it, who waits for it as long as he wants to.

http.client waits for all that it needs next, be it the rest of a number, and gives one chunk
at a time. This takes what has arrived, whatever it is, and gives all of the body that is in it.
Must not know what a body means.
"""

import http.client
import socket
import ssl
import zlib
from typing import Any

from urllib3.exceptions import DecodeError
from urllib3.response import DeflateDecoder, GzipDecoder

from llm_proxy.upstream.transfer import Chunked, ToTheEnd, Transfer, WithLength

READ_BYTES = 65536

_DECODERS = {"gzip": GzipDecoder, "x-gzip": GzipDecoder, "deflate": DeflateDecoder}
"""By content coding: those that a server may use unasked (RFC 9110, 8.4.1)."""

_SHORTEST_SECONDS = 0.001
"""A socket that waits for no time at all reports that in another way, and TLS in a third."""


class Answer(http.client.HTTPResponse):
    """The answer of http.client, and another way to read its body: it is one or the other."""

    transfer: Transfer
    """Known once the head is."""

    def __init__(self, connection: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(connection, *args, **kwargs)
        self._connection = connection
        self._decoder: Any = None
        self._read_ahead = True  # maybe
        self._seconds: float | None = None

    def begin(self) -> None:
        super().begin()
        if self.chunked:
            self.transfer = Chunked()
        else:
            self.transfer = ToTheEnd() if self.length is None else WithLength(self.length)
        coding = self.headers.get("Content-Encoding", "").strip().lower()
        if coding in _DECODERS:
            self._decoder = _DECODERS[coding]()

    def receive(self, seconds: float) -> bytes | None:
        """The next piece of the body; empty at its end, None where none has come for so long.

        A piece is no larger than `READ_BYTES`.

        Raises:
            OSError, urllib3.exceptions.HTTPError: the body broke off, or is none.
        """
        if self._decoder is not None and self._decoder.has_unconsumed_tail:
            return self._decoded(b"")
        if self.transfer.complete:
            return b""
        if self.transfer.broken is not None:
            raise self.transfer.broken
        received = self._received(seconds)
        if received is None:
            return None
        decoded = self._decoded(self.transfer.feed(received))
        return decoded or (b"" if self.transfer.complete else None)

    def _received(self, seconds: float) -> bytes | None:
        """What has come over the connection; empty where that has ended."""
        if self._read_ahead:
            self._read_ahead = False
            if with_head := self._behind_head():
                return with_head
        if seconds != self._seconds:
            self._seconds = seconds
            self._connection.settimeout(max(seconds, _SHORTEST_SECONDS))
        try:
            return self._connection.recv(READ_BYTES)
        except TimeoutError:
            return None

    def _behind_head(self) -> bytes:
        """What http.client has read together with the head."""
        assert self.fp is not None
        self._connection.settimeout(0.0)  # where it has nothing it would read on
        try:
            return self.fp.read(len(self.fp.peek()))
        except ssl.SSLWantReadError:
            return b""

    def _decoded(self, body: bytes) -> bytes:
        if self._decoder is None:
            return body
        try:
            decoded: bytes = self._decoder.decompress(body, max_length=READ_BYTES)
        except zlib.error as error:
            raise DecodeError("The body is not coded as its head says.") from error
        return decoded
