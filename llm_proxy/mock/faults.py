"""Faults: what is to go wrong with a reply, as fixtures, headers and the control API say it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from llm_proxy.errors import ScriptedError
from llm_proxy.reply import WireFault, WireFaultKind

SpokenKind = Literal["error_event", "bad_tool_arguments", "unknown_tool"]
"""Faults in what is said, which look the same on every surface."""

Rate = Annotated[float, Meta(ge=0, le=1)]


class FaultSpec(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The `fault` of a fixture, or one that is queued: what goes wrong, when and for how long."""

    kind: WireFaultKind | SpokenKind
    after_chunks: Annotated[int, Meta(ge=0)] = 0
    seconds: Annotated[float, Meta(ge=0)] | None = None


class Chaos(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Shares of the requests that fail, each in its way, and a delay in milliseconds for all."""

    drop_rate: Rate = 0.0
    malformed_rate: Rate = 0.0
    disconnect_rate: Rate = 0.0
    rate_limit_rate: Rate = 0.0
    latency_ms: Annotated[float, Meta(ge=0)] = 0.0


class Trouble(Struct, frozen=True, kw_only=True):
    """What happens to one reply: an error in its place, a delay before it, or a fault in it."""

    error: ScriptedError | None = None
    delay_seconds: float = 0.0
    wire: WireFault | None = None
    spoken: FaultSpec | None = None
