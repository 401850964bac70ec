"""Chaos: which shares of the requests are to fail, each in its way."""

from typing import Annotated

from msgspec import Meta, Struct

Rate = Annotated[float, Meta(ge=0, le=1)]


class Chaos(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Rates from 0 to 1, and a delay in milliseconds for all requests.

    They are tried in the order in which they stand here, and the first that hits is the last:
    each is the share of the requests that are left by those before it.
    """

    drop_rate: Rate = 0.0
    malformed_rate: Rate = 0.0
    rate_limit_rate: Rate = 0.0
    disconnect_rate: Rate = 0.0
    latency_ms: Annotated[float, Meta(ge=0)] = 0.0
