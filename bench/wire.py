"""The wire: one HTTP/1.1 answer as it arrives, up to the point where it is over.

Does as little as it can: what it costs delays the client's next look at other connections.
"""

import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"


class Answer:
    """One answer (RFC 9112, 6.3): its body ends by its length, by the last chunk, or with the
    connection.

    `status` is 0 until the head has come.
    """

    def __init__(self) -> None:
        self.status = 0
        self._head = b""
        self._left: int | None = None
        self._chunked = False
        self._end = b""

    def feed(self, received: bytes) -> bool:
        """Take in what arrived; whether the answer is complete."""
        if not self.status:
            self._head += received
            head, found, received = self._head.partition(b"\r\n\r\n")
            if not found:
                return False
            self._begin(head)
        if self._chunked:
            self._end = (self._end + received[-len(_LAST_CHUNK) :])[-len(_LAST_CHUNK) :]
            return self._end == _LAST_CHUNK
        if self._left is not None:
            self._left -= len(received)
            return self._left <= 0
        return False

    def _begin(self, head: bytes) -> None:
        self.status = int(head[9:12])
        self._chunked = _CHUNKED.search(head) is not None
        if not self._chunked and (length := _LENGTH.search(head)):
            self._left = int(length[1])


def post(path: str, body: bytes) -> bytes:
    """A request with a JSON body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer not-needed\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str) -> bytes:
    """A request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
