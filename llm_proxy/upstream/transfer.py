"""How a body is transferred: where in what arrives it is, and where it ends (RFC 9112, 6 and 7).

Pure: bytes in, bytes out. Knows no connection.
"""

import re

from urllib3.exceptions import IncompleteRead, ProtocolError

MAX_LINE_BYTES = 4096
"""How long a line between two chunks may be."""

_NEXT = re.compile(rb"\r\n([0-9a-fA-F]{1,15})\r\n")
"""What usually stands between two chunks; to look for it at once takes half of the time."""

_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?")


class Transfer:
    """How far a body has come.

    `complete` tells that it is whole, `surplus` that more came behind it than belongs to it, and
    `broken` what is wrong with what came; the body before it is good.
    A body is `marked` where its end shows in what arrives, rather than by the connection's end:
    only then is it known to be whole (RFC 9112, 8).
    """

    marked = True

    def __init__(self) -> None:
        self.complete = False
        self.surplus = False
        self.broken: Exception | None = None

    def feed(self, received: bytes) -> bytes:
        """What of the body is in the bytes that came; they are empty where the connection ended."""
        raise NotImplementedError


class ToTheEnd(Transfer):
    """A body that is all there is until the connection ends."""

    marked = False

    def feed(self, received: bytes) -> bytes:
        self.complete = not received
        return received


class WithLength(Transfer):
    """A body of so many bytes."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._left = length
        self.complete = not length

    def feed(self, received: bytes) -> bytes:
        if not received:
            self.broken = IncompleteRead(0, self._left)
        body = received[: self._left]
        self._left -= len(body)
        self.complete = not self._left
        self.surplus = len(body) < len(received)
        return body


class Chunked(Transfer):
    """A body in chunks, each behind a line with its size; the last has none, but trailers."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0  # of the chunk that is not over
        self._line = b""  # what there is of the next line
        self._between = False  # a chunk is over, but for its line end
        self._trailing = False

    def feed(self, received: bytes) -> bytes:
        if not received:
            self.complete = self._trailing  # some servers leave the last line end out
            self.broken = None if self.complete else IncompleteRead(0, self._left)
            return b""
        if self._line:
            received, self._line = self._line + received, b""
        chunks: list[bytes] = []
        at = 0
        while not (self.complete or self.broken):
            if self._left:
                chunk = received[at : at + self._left]
                chunks.append(chunk)
                at += len(chunk)
                self._left -= len(chunk)
                if self._left:
                    break
                self._between = True
                if (usual := _NEXT.match(received, at)) is not None and (size := int(usual[1], 16)):
                    self._between, self._left = False, size
                    at = usual.end()
                    continue
            end = received.find(b"\n", at)
            if end < 0:
                self._line = received[at:]
                if len(self._line) > MAX_LINE_BYTES:
                    self.broken = ProtocolError("a line between two chunks does not end")
                break
            self._end_of_line(received[at:end].removesuffix(b"\r"))
            at = end + 1
        self.surplus = self.complete and at < len(received)
        return b"".join(chunks)

    def _end_of_line(self, line: bytes) -> None:
        if self._trailing:
            self.complete = not line
        elif self._between:
            self._between = False
            if line:
                self.broken = ProtocolError("a chunk is longer than its size")
        elif (size := _SIZE.fullmatch(line)) is not None:
            self._left = int(size[1], 16)
            self._trailing = not self._left
        else:
            self.broken = ProtocolError("a chunk has no size")
