"""What is kept of one exchange while it goes on, for the journal: events, times, bytes.

It is on the way of every chunk, so it only holds on to what is there anyway; what is made of
it is made later, by another thread. Knows no Flask, no JSON and no journal.
"""

import time
from collections.abc import Iterable, Mapping

from llm_proxy.reply import Reply, Said

MAX_EVENTS = 20_000
"""Of a reply. What comes behind them is counted, and neither folded nor timed."""

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""On the wire, after which no more events are kept: they may be long instead of many."""

MAX_ANSWER_BYTES = 32 * 1024
"""Of the answer as it was sent: so much of its beginning is kept."""


class Trace:
    """Of one exchange.

    `headers` and `query` are those of the request, `peer` is the address that it came from.
    `at` has the moment of each of the `events`, on the monotonic clock; `left_out` counts
    those that are not kept. `pieces` are the first bytes of the answer. A reply that was not
    streamed is in `reply`. `waiting` and `number` belong to whoever writes it down.
    """

    def __init__(self, headers: Mapping[str, str], query: str = "", peer: str = "") -> None:
        self.headers = headers
        self.query = query
        self.peer = peer
        self.events: list[Said] = []
        self.at: list[float] = []
        self.left_out = 0
        self.pieces: list[bytes] = []
        self.size = 0
        self.reply: Reply | None = None
        self.answer_headers: Iterable[tuple[str, str]] = ()
        self.waiting = False
        self.number: int | None = None

    def said(self, event: Said) -> None:
        """Keep an event of the reply."""
        if len(self.at) < MAX_EVENTS and self.size < MAX_EVENT_BYTES:
            self.events.append(event)
            self.at.append(time.monotonic())
        else:
            self.left_out += 1

    def sent(self, piece: bytes) -> None:
        """Keep a piece of the answer, as long as there is room."""
        if self.size < MAX_ANSWER_BYTES:
            self.pieces.append(piece)
        self.size += len(piece)
