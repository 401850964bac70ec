"""Framing: cuts a body that arrives in pieces into whole server-sent events.

Source: WHATWG HTML, 9.2.6 Interpreting an event stream. Lines may end in LF, CR or CRLF, a
byte order mark may come first. Knows nothing of fields, payloads or sockets.
"""

from collections.abc import Iterator

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventTooLarge(Exception):
    """An event is longer than may be kept in memory."""


class Framing:
    """The bytes of one body that do not make a whole event yet: at most `max_event_bytes`."""

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._ended_in_cr = False
        self._begun = False

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Yield the events that `received` completes, with LF line ends, without the last ones.

        Raises:
            EventTooLarge: an event, whole or not yet, is beyond the limit.
        """
        ended_in_cr = received.endswith(b"\r")
        if self._ended_in_cr and received.startswith(b"\n"):
            received = received[1:]
        self._ended_in_cr = ended_in_cr
        self._buffer += received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not self._begun:
            held = bytes(self._buffer)
            if len(held) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(held):
                return  # it may still become one
            self._begun = True
            if self._buffer.startswith(_BYTE_ORDER_MARK):
                del self._buffer[: len(_BYTE_ORDER_MARK)]
        while (end := self._buffer.find(b"\n\n", self._searched)) >= 0:
            if end > self._max_event_bytes:
                raise EventTooLarge
            event = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            self._searched = 0
            yield event
        # A search that failed need not be repeated, but for a line end at the very end.
        self._searched = max(len(self._buffer) - 1, 0)
        if len(self._buffer) - self._buffer.endswith(b"\n") > self._max_event_bytes:
            raise EventTooLarge

    def end(self) -> Iterator[bytes]:
        """Yield the event that the end of the body completes: deployments omit its blank line."""
        if self._buffer.strip():
            yield bytes(self._buffer)
