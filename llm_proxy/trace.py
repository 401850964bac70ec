"""What is kept of one exchange while it goes on, for the journal: events, times, bytes.

It is on the way of every chunk, so it only holds on to what is there anyway; what is made of
it is made later, by another thread. Knows no Flask, no JSON and no journal.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from llm_proxy.reply import Reply, Said, TextRun

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""On the wire, after which no more events of a reply are kept."""

MAX_ANSWER_BYTES = 8 * 1024
"""Of the answer as it was sent: so much of its beginning is kept."""


class Trace:
    """Of one exchange.

    `headers` and `query` are those of the request, `peer` is the address that it came from.
    `at` has the moment of each of the `events`, on the monotonic clock; `left_out` counts
    those that are not kept. `pieces` are the first bytes of the answer. A reply that was not
    streamed is in `reply`. `read_on` says that the client went on reading after it had closed
    its side of the connection. `written` belongs to whoever writes it down.
    """

    def __init__(self, headers: Mapping[str, str], query: str = "", peer: str = "") -> None:
        self.headers = headers
        self.query = query
        self.peer = peer
        self.events: list[Said | TextRun] = []
        self.at: list[float] = []
        self.left_out = 0
        self.pieces: list[bytes] = []
        self.reply: Reply | None = None
        self.answer_headers: Iterable[tuple[str, str]] = ()
        self.read_on = False
        self.written: Any = None
