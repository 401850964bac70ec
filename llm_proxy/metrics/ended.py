"""What is to be counted of an exchange that is over, without the exchange.

Many of them wait to be counted together; to hold on to all that belongs to an exchange
meanwhile would cost more than that saves. Does not import prometheus-client.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from operator import sub

from msgspec import Struct

from llm_proxy.exchange import Exchange
from llm_proxy.metrics.labels import method, route
from llm_proxy.reply import Fact, Usage
from llm_proxy.ticks import MAX_TICKS


class Ended(Struct, frozen=True, gc=False):
    """One exchange. Of a stream `first` is how long it took to the first piece, if it is known.

    `gaps` are the seconds between two pieces, but for so many (`together`) that were none.
    """

    method: str
    route: str
    model: str
    status: int
    outcome: str
    stream: bool
    seconds: float
    usage: Usage | None
    notes: Sequence[Mapping[str, Fact]]
    first: float | None = None
    gaps: Sequence[float] = ()
    together: int = 0


def ended(exchange: Exchange) -> Ended:
    """What is to be counted of an exchange."""
    first: float | None = None
    between: Sequence[float] = ()
    together = 0
    if exchange.open:
        moments = exchange.ticks
        between, together = gaps(moments)
        if 0 < len(moments) < MAX_TICKS:  # else the first one may have been dropped
            first = moments[0] - exchange.began
    return Ended(
        method(exchange),
        route(exchange),
        exchange.model or "",
        exchange.status,
        exchange.outcome,
        exchange.open,
        exchange.seconds,
        exchange.usage,
        exchange.notes,
        first,
        between,
        together,
    )


def gaps(moments: Sequence[float]) -> tuple[list[float], int]:
    """How long after each moment another one came, and how often that was the same moment.

    The moments are in order. What was sent together came at one moment, so most gaps may be none.
    """
    distinct = list(dict.fromkeys(moments))
    return list(map(sub, islice(distinct, 1, None), distinct)), len(moments) - len(distinct)
