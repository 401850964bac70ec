"""Server-sent events as OpenAI writes them (WHATWG HTML, 9.2 Server-sent events).

Only `data:` and `event:` lines are written: openai-python fails on `id:` and `retry:`.
"""

from collections.abc import Iterator

MEDIA_TYPE = "text/event-stream"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment. Continue's parser loses data at `: ping`, but not at this one."""


def data(document: bytes) -> bytes:
    """One event that carries a JSON document without line breaks."""
    return b"data: " + document + b"\n\n"


def portions(events: bytes, most: int) -> Iterator[bytes]:
    """Several events in as few portions as there can be of at most so many bytes.

    None is taken apart, however long it is.
    """
    start = 0
    while len(events) - start > most:
        end = events.rfind(b"\n\n", start, start + most) + 2
        if end < start + 2:  # there is no whole one
            end = events.find(b"\n\n", start) + 2
        yield events[start:end]
        start = end
    yield events[start:] if start else events


class EventTooLarge(Exception):
    """An event is longer than may be kept in memory."""


class Payloads:
    """Reads server-sent events back: from a body in pieces to the `data` of each event.

    By the standard, and no more lenient: the API that is read is one of OpenAI's kind. Lines may
    end in LF, CR or CRLF, a byte order mark may come first (9.2.6, Interpreting an
    event stream). At most `max_event_bytes` are kept.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._line = b""
        self._data: list[bytes] = []
        self._length = 0
        self._begun = False
        self._ended_in_cr = False

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Yield the data of the events that `received` completes.

        Raises:
            EventTooLarge: an event is beyond the limit.
        """
        ended_in_cr = received.endswith(b"\r")
        if self._ended_in_cr and received.startswith(b"\n"):
            received = received[1:]
        self._ended_in_cr = ended_in_cr
        received = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._line = (self._line + received).split(b"\n")
        for line in lines:
            yield from self._ended_line(line)
        if self._length + len(self._line) > self._max_event_bytes:
            raise EventTooLarge

    def end(self) -> Iterator[bytes]:
        """Yield the data of the event that the end of the body completes: some omit its blank
        line, though an event without one does not count (9.2.6).
        """
        yield from self._ended_line(self._line)
        yield from self._ended_line(b"")

    def _ended_line(self, line: bytes) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
                self._length += len(value)
                if self._length > self._max_event_bytes:
                    raise EventTooLarge
        elif self._data:
            whole = b"\n".join(self._data)
            self._data, self._length = [], 0
            yield whole
