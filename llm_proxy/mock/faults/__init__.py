"""Faults: what is to go wrong with a reply, as fixtures, headers and the control API say it.

The modules beside this one say who may ask for what, and let it happen.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from llm_proxy.core.reply import WireFault, WireFaultKind
from llm_proxy.errors import ScriptedError
from llm_proxy.settings.chaos import Chaos

SpokenKind = Literal["error_event", "bad_tool_arguments", "unknown_tool"]
"""Faults in what is said, which look the same on every surface."""

FaultKind = WireFaultKind | SpokenKind
Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]


class FaultSpec(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The `fault` of a fixture: what goes wrong, when and for how long."""

    kind: FaultKind
    after_chunks: Count = 0
    seconds: Amount | None = None


class FixtureFaults(Struct, frozen=True, kw_only=True):
    """All that a fixture says of faults.

    The last two cut the connection of a stream only: of a JSON answer no part can be missing.
    """

    fault: FaultSpec | None = None
    chaos: Chaos | None = None
    truncate_after_chunks: Count | None = None
    disconnect_after_ms: Amount | None = None


class Spoken(Struct, frozen=True):
    """A fault in what is said, after so many pieces of the answer where it has a place."""

    kind: SpokenKind
    after: int = 0


class Trouble(Struct, frozen=True, kw_only=True):
    """What happens to one reply: a delay before it, an error in its place, or a fault in it.

    With a `spoken` error event, `error` is what the event tells. `cut_after_seconds` is when
    the connection ends if the reply has not.
    """

    delay_seconds: float = 0.0
    error: ScriptedError | None = None
    spoken: Spoken | None = None
    wire: WireFault | None = None
    cut_after_seconds: float | None = None

    @property
    def replaces(self) -> bool:
        """Whether there is no reply, but an error in its place."""
        return self.error is not None and self.spoken is None

    @property
    def fails(self) -> bool:
        """Whether anything goes wrong, beside what comes late."""
        return (self.error, self.spoken, self.wire, self.cut_after_seconds) != (None,) * 4


NO_TROUBLE = Trouble()
"""What most requests get; it is always this one."""
