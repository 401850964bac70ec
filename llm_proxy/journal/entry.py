"""What the journal has of one exchange, and what a journal is."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from llm_proxy.exchange import Exchange, Outcome


class Entry(Struct, frozen=True, kw_only=True, rename="camel"):
    """One exchange. `request` is its body as it was sent, but for secrets.

    A body that is longer than `MAX_REQUEST_BYTES` is left out, one that is no JSON stands in
    a string. `time` is when it came, in Unix seconds; `origin` is which source answered.
    """

    id: str
    time: float
    namespace: str
    method: str
    path: str
    status: int
    model: str | None
    stream: bool
    request: msgspec.Raw
    request_bytes: int
    outcome: str
    origin: str


MAX_REQUEST_BYTES = 256 * 1024


class Journal(Protocol):
    """The last exchanges of a server, shared by all of its workers."""

    def record(self, exchange: Exchange, outcome: Outcome, again: bool) -> None:
        """Keep an exchange that ends in `outcome`; `again` if it is kept, and ended otherwise."""

    def read(self, namespace: str | None, limit: int) -> Sequence[Entry]:
        """The last exchanges, of one namespace or of all; the newest first."""

    def clear(self, namespace: str | None = None) -> int:
        """Forget all exchanges, or those of one namespace; how many there were."""
