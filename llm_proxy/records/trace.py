"""What is kept of one exchange for the journal, beside the course of its reply.

It only holds on to what is there anyway; what is made of it is made when the answer is gone.
Knows no Flask, no JSON and no journal.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from llm_proxy.core.reply import Reply

MAX_ANSWER_BYTES = 8 * 1024
"""Of the answer as it was sent: so much of its beginning is kept."""


class Trace:
    """Of one exchange.

    `headers` and `query` are those of the request, `peer` is the address that it came from.
    `pieces` are the first bytes of the answer. A reply that was not streamed is in `reply`.
    `read_on` says that the client went on reading after it had closed its side of the
    connection. `written` belongs to whoever writes it down.
    """

    def __init__(self, headers: Mapping[str, str], query: str = "", peer: str = "") -> None:
        self.headers = headers
        self.query = query
        self.peer = peer
        self.pieces: list[bytes] = []
        self.reply: Reply | None = None
        self.answer_headers: Iterable[tuple[str, str]] = ()
        self.read_on = False
        self.written: Any = None
