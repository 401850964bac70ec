"""Reading: the payloads of a call's body as they arrive, and turns for the caller meanwhile.

Must not know what a payload means, but for whether it stands alone.
"""

import time
from collections.abc import Generator, Iterator

from sseclient import SSEClient

from llm_proxy.adapter import failures
from llm_proxy.adapter.call import TURN_SECONDS, Call
from llm_proxy.adapter.dialects import Word, understand
from llm_proxy.adapter.framing import Framing
from llm_proxy.adapter.patience import Patience

SETTLE_SECONDS = 0.03
"""How long a line of plain text is waited on for the blank line that would end its event."""

Payloads = Generator[str | None, None, None]


def payloads(call: Call, patience: Patience, max_event_bytes: int) -> Payloads:
    """Yield the payload of each event the moment it is there, and `None` in between.

    `None` comes about every `TURN_SECONDS`, whether the upstream talks or not: whoever reads
    gets a turn to look after its client.

    Raises:
        UpstreamError, UpstreamTimeout: there was no event; a time limit was reached.
        EventTooLarge, EventTruncated: as framing raises them.
        Exception: what the call raised.
    """
    framing = Framing(max_event_bytes, stands_alone)
    spoke = False
    turn_at = time.monotonic() + TURN_SECONDS
    settle_at: float | None = None
    while True:
        until = min(turn_at, patience.ends_at(), settle_at or turn_at)
        piece = call.receive(max(until - time.monotonic(), 0.0))
        if piece:
            patience.received()
            for payload in _payloads(framing.feed(piece)):
                spoke = True
                yield payload
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


def stands_alone(payload: bytes) -> bool:
    """Whether a payload is a whole event by itself: an object with a type, or the end mark."""
    if payload[:1] not in (b"{", b"["):
        return False
    text = payload.decode(errors="replace")
    return understand(text) != Word(text)


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
