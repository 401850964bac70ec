"""The wire: what has arrived of a body, at once, and turns for the caller while nothing has.

Owns the one way of reading that is prompt on chunked, close-delimited and compressed bodies
alike. Knows nothing of events.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import requests
from urllib3.util.wait import wait_for_read

READ_BYTES = 65536


class UpstreamSilent(Exception):
    """Nothing arrived for as long as nothing may."""


class UpstreamSlow(Exception):
    """The answer as a whole takes longer than it may."""


def arrivals(
    response: requests.Response, turn_seconds: float, idle_seconds: float, deadline: float
) -> Iterator[bytes | None]:
    """Yield each piece of the body as it arrives, and `None` about every `turn_seconds` of silence.

    `deadline` is a reading of `time.monotonic()`.

    Raises:
        UpstreamSilent: nothing arrived for `idle_seconds`.
        UpstreamSlow: the deadline has passed.
        requests.RequestException, urllib3.exceptions.HTTPError: the connection broke.
    """
    arrived = time.monotonic()
    wire = _Wire(response)
    more = False
    while True:
        now = time.monotonic()
        if now >= deadline:
            raise UpstreamSlow
        patience = min(turn_seconds, arrived + idle_seconds - now, deadline - now)
        if not more and not wire.readable(max(patience, 0.0)):
            if time.monotonic() >= arrived + idle_seconds:
                raise UpstreamSilent
            yield None
            continue
        received = response.raw.read1(READ_BYTES, decode_content=True)
        if not received:
            return
        yield received
        # A full read of a compressed body may have left some of it in the decoder.
        more = len(received) == READ_BYTES
        arrived = time.monotonic()


class _Wire:
    """Tells whether a read of the body would find something, without reading.

    Three places can hold it: the buffer that http.client reads through, TLS, and the system.
    To look into the first without waiting for the others, the socket is made non-blocking for
    the length of the look; `requests` has no public way to do this.
    """

    def __init__(self, response: requests.Response) -> None:
        raw: Any = response.raw
        self._raw = raw
        self._chunked: bool = raw.chunked
        self._http = raw._fp
        self._buffer = self._http.fp
        if self._buffer is not None:  # else the body had no bytes, and is closed already
            self._socket: socket.socket = self._buffer.raw._sock

    def readable(self, seconds: float) -> bool:
        """Whether there is something, the end included, at once or within so many seconds."""
        if self._http.fp is None or self._raw.length_remaining == 0:
            return True
        buffered = self._buffered()
        # Between two chunks there may be the line end of the last one, and no more; a read
        # would wait for the next one.
        if buffered.strip(b"\r\n") if self._chunked else buffered:
            return True
        # What TLS has decrypted already, the system knows nothing of.
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        if not wait_for_read(self._socket, seconds):
            return False
        return bool(buffered) or not self._chunked or self._buffered() != b"\r\n"

    def _buffered(self) -> bytes:
        timeout = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            buffered: bytes = self._buffer.peek(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            buffered = b""
        finally:
            self._socket.settimeout(timeout)
        return buffered
