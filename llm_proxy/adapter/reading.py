"""Reading: the payloads of a call's body as they arrive, and turns for the caller meanwhile.

Must not know what a payload means, but for whether it stands alone.
"""

import time
from collections.abc import Generator, Iterator
from functools import partial

from sseclient import SSEClient

from llm_proxy.adapter import failures
from llm_proxy.adapter.dialects.payload import object_in
from llm_proxy.adapter.framing import Framing
from llm_proxy.event_fields import EventFields
from llm_proxy.openai_api.sse import EventTooLarge
from llm_proxy.upstream.call import TURN_SECONDS, Call
from llm_proxy.upstream.patience import Patience

SETTLE_SECONDS = 0.03
"""How long a line of plain text is waited on for the blank line that would end its event."""

Payloads = Generator[str | None, None, None]


def payloads(
    call: Call, patience: Patience, max_event_bytes: int, fields: EventFields | None
) -> Payloads:
    """Yield the payload of each event the moment it is there, and `None` in between.

    `None` comes about every `TURN_SECONDS`, whether the upstream talks or not: whoever reads
    gets a turn to look after its client. `fields` are those of the dialect that is spoken.

    Raises:
        UpstreamError: there was no event.
        OutOfPatience: a time limit was reached.
        EventTooLarge, EventTruncated: as framing raises them.
        Exception: what the call raised.
    """
    framing = Framing(max_event_bytes, partial(stands_alone, fields=fields))
    spoke = False
    turn_at = time.monotonic() + TURN_SECONDS
    settle_at: float | None = None
    while True:
        until = min(turn_at, patience.ends_at(), settle_at or turn_at)
        piece = call.receive(max(until - time.monotonic(), 0.0))
        if piece:
            for payload in _payloads(framing.feed(piece)):
                spoke = True
                yield payload
            patience.received()  # only now: a slow client is no silence of the upstream
        elif piece is not None:
            break
        now = time.monotonic()
        if not framing.unsettled:
            settle_at = None
        elif settle_at is None:
            settle_at = now + SETTLE_SECONDS
        elif now >= settle_at:
            for payload in _payloads(framing.settle()):
                spoke = True
                yield payload
        if now >= turn_at:
            yield None
            turn_at = time.monotonic() + TURN_SECONDS
        patience.check()
    for payload in _payloads(framing.end(whole=_ends_by_itself(call))):
        spoke = True
        yield payload
    if not spoke:
        raise failures.no_events()


def whole(call: Call, patience: Patience, max_bytes: int) -> bytes:
    """The body of a call's answer, once it is there.

    Raises:
        OutOfPatience: a time limit was reached.
        EventTooLarge: it is longer than `max_bytes`.
        Exception: what the call raised.
    """
    received = bytearray()
    while (piece := call.receive(max(patience.ends_at() - time.monotonic(), 0.0))) != b"":
        if piece:
            patience.received()
            received += piece
        if len(received) > max_bytes:
            raise EventTooLarge
        patience.check()
    return bytes(received)


def stands_alone(payload: bytes, fields: EventFields | None = None) -> bool:
    """Whether a payload is a whole event by itself: an object, or the end mark.

    In the dialect of the legacy API an object without a type is text.
    """
    if payload == b"[DONE]":
        return True
    event = object_in(payload.decode(errors="replace"))
    return event is not None and (fields is not None or "type" in event)


def _payloads(events: Iterator[bytes]) -> Iterator[str]:
    """The payloads of framed events; some have none.

    Bytes that are no UTF-8 are replaced, as WHATWG HTML 9.2.6 has it; the decoder behind
    would give up.
    """
    for event in events:
        clean = event.decode(errors="replace").encode()
        for decoded in SSEClient(iter([clean + b"\n\n"])).events():
            yield decoded.data


def _ends_by_itself(call: Call) -> bool:
    """Whether the end of the body is marked in the body, rather than by the connection's end.

    RFC 9112, 8: only then is a body known to be whole.
    """
    assert call.response is not None
    raw = call.response.raw
    return bool(raw.chunked) or "Content-Length" in raw.headers
