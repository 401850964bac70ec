"""The outbox: server-sent events that are written and not sent, and go out in one write.

Pure: knows no time. Whoever sends says when it passes.
"""

from collections.abc import Sequence

MAX_BYTES = 16 * 1024
"""Of what is sent together, so that no client has to wait for the end of a long write."""


class Outbox:
    """Holds events back if it `holds` at all; the first ones never, as their client waits."""

    def __init__(self, *, holds: bool) -> None:
        self._holds = holds
        self._held = b""
        self._begun = False

    def put(self, events: bytes) -> Sequence[bytes]:
        """What is to be sent now that these are written: any number of whole events, or none."""
        if not self._holds or not self._begun:
            self._begun = True
            return portions(events)
        if len(self._held) + len(events) <= MAX_BYTES:
            self._held += events
            return ()
        *full, self._held = portions(self._held + events)
        return full

    def rest(self, events: bytes = b"") -> Sequence[bytes]:
        """All that is left, and `events` behind it."""
        if self._held:
            events, self._held = self._held + events, b""
        return portions(events)


def portions(events: bytes) -> Sequence[bytes]:
    """Whole events in as few portions as there can be of at most `MAX_BYTES`.

    None is taken apart, however long it is.
    """
    if len(events) <= MAX_BYTES:
        return (events,) if events else ()
    found = []
    start = 0
    while len(events) - start > MAX_BYTES:
        end = events.rfind(b"\n\n", start, start + MAX_BYTES) + 2
        if end < start + 2:  # there is no whole one
            end = events.find(b"\n\n", start) + 2
        found.append(events[start:end])
        start = end
    if start < len(events):
        found.append(events[start:])
    return found
