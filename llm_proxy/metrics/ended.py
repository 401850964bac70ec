"""What is to be counted of an exchange that is over, without the exchange.

Many of them wait to be counted together; to hold on to all that belongs to an exchange
meanwhile would cost more than that saves. Does not import prometheus-client.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from operator import sub

from msgspec import Struct

from llm_proxy.core.reply import Fact, Usage
from llm_proxy.metrics.labels import method, route
from llm_proxy.records.exchange import Exchange


class Ended(Struct, frozen=True, gc=False):
    """One exchange. Of a stream `first` is how long it took to the first piece, if it is known.

    `gaps` are the seconds between two pieces, but for so many (`together`) that were sent with one.
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
    course = exchange.course
    moments = course.moments if exchange.open else ()
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
        moments[0] - exchange.began if moments else None,
        gaps(moments),
        course.together,
    )


def gaps(moments: Sequence[float]) -> list[float]:
    """How long after each moment the next one came."""
    return list(map(sub, islice(moments, 1, None), moments))
