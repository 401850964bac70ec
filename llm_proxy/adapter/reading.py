"""Reading: the payloads of a call's body as they arrive, and turns for the caller meanwhile.

Must not know what a payload means, but for whether it stands alone.
"""

import math
import time
from collections.abc import Generator, Iterator
from functools import partial
from itertools import islice
from typing import Any, cast

from sseclient import SSEClient

from llm_proxy.adapter import failures
from llm_proxy.adapter.dialects.payload import object_in
from llm_proxy.adapter.framing import EventTruncated, Framing
from llm_proxy.openai_api.sse import EventTooLarge
from llm_proxy.settings.event_fields import EventFields
from llm_proxy.upstream.call import TURN_SECONDS, Call
from llm_proxy.upstream.patience import Patience

SETTLE_SECONDS = 0.03
"""How long a line of plain text is waited on for the blank line that would end its event."""

MAX_BATCH = 64
"""Payloads that are read before the first of them is passed on."""

Payloads = Generator[list[str] | None, None, None]
"""Batches of what came together, and `None` for each turn of whoever reads."""


def payloads(
    call: Call, patience: Patience, max_event_bytes: int, fields: EventFields | None
) -> Payloads:
    """Yield the payloads of all events that are there, at once, and `None` in between.

    `None` comes within two `TURN_SECONDS` of the last one, whether the upstream talks or not:
    whoever reads gets a turn to look after its client. `fields` are those of the dialect that is
    spoken.

    Raises:
        UpstreamError: there was no event.
        OutOfPatience: a time limit was reached.
        EventTooLarge, EventTruncated: as framing raises them.
        Exception: what the call raised.
    """
    framing = Framing(max_event_bytes, partial(stands_alone, fields=fields))
    events = _Events()
    turn_at = time.monotonic() + TURN_SECONDS
    settle_at = math.inf
    wait = TURN_SECONDS
    while (piece := call.receive(min(wait, patience.left()))) != b"":
        if piece:
            yield from events.told(framing.feed(piece))
            patience.received()  # only now: a slow client is no silence of the upstream
        now = time.monotonic()
        # Each wait is as long as the one before, where it can be: to change that is a call of
        # the system for each event, and a chance for another thread to take the interpreter.
        wait = TURN_SECONDS
        if not framing.unsettled:
            settle_at = math.inf
        elif now >= settle_at:
            yield from events.told(framing.settle())
        else:
            settle_at = min(settle_at, now + SETTLE_SECONDS)
            wait = settle_at - now
        if now >= turn_at:
            yield None
            turn_at = time.monotonic() + TURN_SECONDS
    yield from events.told(framing.end(whole=call.whole))
    if not events.seen:
        raise failures.no_events()


def whole(call: Call, patience: Patience, max_bytes: int) -> bytes:
    """The body of a call's answer, once it is there.

    Raises:
        OutOfPatience: a time limit was reached.
        EventTooLarge: it is longer than `max_bytes`.
        Exception: what the call raised.
    """
    received = bytearray()
    # In turns, as another limit may be the next one by the time this one would be reached.
    while (piece := call.receive(min(TURN_SECONDS, patience.left()))) != b"":
        if piece:
            patience.received()
            received += piece
        if len(received) > max_bytes:
            raise EventTooLarge
    return bytes(received)


def stands_alone(payload: bytes, fields: EventFields | None = None) -> bool:
    """Whether a payload is a whole event by itself: an object, or the end mark.

    In the dialect of the legacy API an object without a type is text.
    """
    if payload == b"[DONE]":
        return True
    event = object_in(payload.decode(errors="replace"))
    return event is not None and (fields is not None or "type" in event)


class _Events:
    """The decoder of one answer's events; `seen` is whether any of them had a payload."""

    def __init__(self) -> None:
        self.seen = False
        self._framed: list[bytes] = []
        self._client = SSEClient(cast(Any, self._framed))  # any iterable will do; it is read anew

    def told(self, framed: Iterator[bytes]) -> Iterator[list[str]]:
        """The payloads of framed events; some have none.

        Those in front of an event that is refused come before the refusal. Bytes that are no
        UTF-8 are replaced, as WHATWG HTML 9.2.6 has it; the decoder behind would give up.
        """
        refused: Exception | None = None
        self._framed.clear()
        try:
            for events in framed:
                whole = events if events.isascii() else events.decode(errors="replace").encode()
                self._framed.append(whole + b"\n\n")
        except (EventTooLarge, EventTruncated) as error:
            refused = error
        if self._framed:
            payloads = (event.data for event in self._client.events())
            while batch := list(islice(payloads, MAX_BATCH)):
                self.seen = True
                yield batch
        if refused is not None:
            raise refused
