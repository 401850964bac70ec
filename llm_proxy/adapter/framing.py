"""Framing: cuts a body that arrives in pieces into whole server-sent events.

Source: WHATWG HTML, 9.2.6 Interpreting an event stream: lines may end in LF, CR or CRLF, a
byte order mark may come first, a blank line ends an event. Some deployments never send that
blank line: each `data:` line is an event there. What tells the two apart, line by line:

- A line whose payload stands alone is an event, at once. Whoever frames says what does.
- Plain text is an event at its blank line. Until a stream has shown one, its lines are waited
  on for a moment only; whoever reads calls `settle` when that is over, and from then on each
  `data:` line is an event, until a line is followed by a blank one after all.

What nearly all streams are, one `data:` line and a blank one again and again, is found to be so
as a whole and not looked at line by line, which takes a tenth of the time.

Knows no payloads, sockets or clocks, and of fields only which line is `data`.
"""

from collections.abc import Callable, Iterator
from typing import Literal

from llm_proxy.openai_api.sse import EventTooLarge

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_OBJECT_BEGINS = (b"{", b"{'", b'{"')
"""The first visible bytes of an object, which may be written over several lines."""


class EventTruncated(Exception):
    """The body ended within an event."""


class Framing:
    """The bytes of one body that do not make a whole event yet: at most `max_event_bytes`.

    An event is given as its lines, without comments, joined by LF; several that came together
    may be given as one, a blank line between each two. `stands_alone` tells of the payload of
    one line whether it needs no other.
    """

    def __init__(self, max_event_bytes: int, stands_alone: Callable[[bytes], bool]) -> None:
        self._max_event_bytes = max_event_bytes
        self._stands_alone = stands_alone
        self._begun = False
        self._ended_in_cr = False
        self._buffer = bytearray()  # the line that has not ended yet
        self._searched = 0
        self._lines: list[bytes] = []  # those of the event that has not ended yet
        self._size = 0
        self._begins_with: bytes | None = None  # their payload, if there is any
        self._told_at_once = False  # the last line was an event by itself
        self._ends_by: Literal["unknown", "blank line", "line"] = "unknown"

    @property
    def unsettled(self) -> bool:
        """Whether there are whole lines of which only time tells if they are an event."""
        return (
            self._ends_by == "unknown"
            and self._begins_with is not None
            and self._begins_with not in _OBJECT_BEGINS
        )

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Yield the events that `received` completes.

        Raises:
            EventTooLarge: an event, whole or not yet, is beyond the limit.
        """
        self._buffer += self._with_line_feeds(received)
        if not self._begun and not self._begins():
            return
        start = 0
        if usual := self._usual():
            self._told_at_once = False
            self._ends_by = "blank line"
            start = usual + 2
            yield bytes(self._buffer[:usual])
        while (end := self._buffer.find(b"\n", max(start, self._searched))) >= 0:
            line = bytes(self._buffer[start:end])
            start = end + 1
            ends_here = self._buffer[start : start + 1] == b"\n"
            yield from self._line(line, ends_here)
        del self._buffer[:start]
        self._searched = len(self._buffer)
        self._bound(len(self._buffer))

    def settle(self) -> Iterator[bytes]:
        """Yield the lines that were waited on, each as an event."""
        if self.unsettled:
            self._ends_by = "line"
            yield from self._each_line()

    def end(self, *, whole: bool) -> Iterator[bytes]:
        """Yield the events that the end of the body completes: deployments omit a blank line.

        `whole` says whether the transfer vouches for the end (RFC 9112, 8), as it does not
        where the body ends with the connection.

        Raises:
            EventTruncated: the body ended within an event.
        """
        cut = bytes(self._buffer)
        self._buffer.clear()
        if cut.strip() and not cut.startswith(b":"):
            alone = _is_data(cut) and self._stands_alone(_value(cut))
            if not alone and (not whole or _beginning(_value(cut)) in _OBJECT_BEGINS):
                raise EventTruncated
            yield from self._line(cut, ends_here=False)
        if self._begins_with is None:
            return
        if self._stands_alone(b"\n".join(_value(line) for line in self._lines if _is_data(line))):
            yield self._taken()
        elif self._begins_with in _OBJECT_BEGINS:
            raise EventTruncated
        elif self._ends_by == "blank line":
            yield self._taken()
        else:
            yield from self._each_line()

    def _with_line_feeds(self, received: bytes) -> bytes:
        if b"\r" not in received and not self._ended_in_cr:
            return received
        ended_in_cr = received.endswith(b"\r")
        if self._ended_in_cr and received.startswith(b"\n"):
            received = received[1:]
        self._ended_in_cr = ended_in_cr
        return received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _begins(self) -> bool:
        """Drop a byte order mark; false while what came may still become one."""
        if len(self._buffer) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(self._buffer):
            return False
        self._begun = True
        if self._buffer.startswith(_BYTE_ORDER_MARK):
            del self._buffer[: len(_BYTE_ORDER_MARK)]
        return True

    def _usual(self) -> int:
        """How much at the start of the buffer, but for its last blank line, is single `data:`
        lines with a blank one between each two; 0 where there is anything else among it.

        `_line` makes the same of them, one by one.
        """
        if self._lines:
            return 0
        end = self._buffer.rfind(b"\n\n", self._searched)
        if not 0 < end <= self._max_event_bytes or not self._buffer.startswith(b"data:"):
            return 0
        blank_lines = self._buffer.count(b"\n\n", 0, end)
        if self._buffer.count(b"\n\ndata:", 0, end) < blank_lines:
            return 0
        return end if self._buffer.count(b"\n", 0, end) == 2 * blank_lines else 0

    def _line(self, line: bytes, ends_here: bool) -> Iterator[bytes]:
        """Take in one line; `ends_here` tells that a blank one is known to follow."""
        told_at_once, self._told_at_once = self._told_at_once, False
        self._bound(len(line))
        if not line.strip():
            if told_at_once or self._begins_with is not None:
                self._ends_by = "blank line"
            if self._lines:
                yield self._taken()
            return
        if line.startswith(b":"):
            return
        is_data = _is_data(line)
        if told_at_once and is_data and self._ends_by == "unknown":
            self._ends_by = "line"
        if is_data and not (ends_here and not self._lines) and self._stands_alone(_value(line)):
            yield from self._each_line()  # what stood before it has ended, too
            self._told_at_once = True
            yield line
            return
        self._lines.append(line)
        self._size += len(line) + 1
        if is_data and len(self._begins_with or b"") < 2:
            self._begins_with = _beginning((self._begins_with or b"") + _value(line))
        if is_data and self._ends_by == "line":
            self._told_at_once = True
            yield self._taken()

    def _bound(self, more: int) -> None:
        """See to it that so many bytes more can be kept."""
        if more and self._size + more > self._max_event_bytes:
            raise EventTooLarge

    def _taken(self) -> bytes:
        event = b"\n".join(self._lines)
        self._lines.clear()
        self._size = 0
        self._begins_with = None
        return event

    def _each_line(self) -> Iterator[bytes]:
        lines = self._lines[:]
        self._taken()
        for line in filter(_is_data, lines):
            self._told_at_once = True
            yield line


def _is_data(line: bytes) -> bool:
    return line.startswith(b"data:") or line == b"data"


def _value(line: bytes) -> bytes:
    return line[5:].removeprefix(b" ")


def _beginning(payload: bytes) -> bytes:
    """The first two visible bytes of a payload."""
    return payload[:64].translate(None, b" \t\n")[:2]
