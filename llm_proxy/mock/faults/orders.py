"""Orders: what is to go wrong, as one document, whether it is queued or put into headers."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct

from llm_proxy.core.reply import WireFault, WireFaultKind
from llm_proxy.errors import InvalidRequest
from llm_proxy.mock.faults import (
    Amount,
    Count,
    FaultKind,
    Spoken,
    SpokenKind,
    Trouble,
)
from llm_proxy.mock.faults.scripted import scripted_error
from llm_proxy.openai_api.decoding import refuse, unknown_fields

SPOKEN_KINDS: tuple[SpokenKind, ...] = get_args(SpokenKind)
KINDS: tuple[FaultKind, ...] = (*get_args(WireFaultKind), *SPOKEN_KINDS)
KINDS_THAT_TAKE_TIME = ("disconnect", "reset", "truncate", "stall", "slow_drip", "split_utf8")


class FaultOrder(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is to go wrong: an HTTP status, a kind of fault, a delay, or a delay and one of them.

    With the kind `error_event` the status and what belongs to it are told by the event.
    `retry_after` is in seconds.
    """

    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    message: str | None = None
    type: str | None = None
    code: str | None = None
    retry_after: Amount | None = None
    kind: FaultKind | None = None
    after_chunks: Count | None = None
    seconds: Amount | None = None
    delay_ms: Amount = 0.0

    def trouble(self) -> Trouble:
        """What that means for one reply."""
        error = spoken = wire = None
        after = self.after_chunks or 0
        if self.status is not None or self.kind == "error_event":
            error = scripted_error(
                self.status or 500,
                message=self.message,
                type=self.type,
                code=self.code,
                retry_after_seconds=self.retry_after,
            )
        match self.kind:
            case None:
                pass
            case "error_event" | "bad_tool_arguments" | "unknown_tool":
                spoken = Spoken(self.kind, after)
            case _:
                wire = WireFault(self.kind, after, self.seconds)
        return Trouble(delay_seconds=self.delay_ms / 1000, error=error, spoken=spoken, wire=wire)


def fault_order(document: Mapping[str, Any]) -> FaultOrder:
    """Read an order, for example `{"status": 503, "retryAfter": 2}`.

    Raises:
        InvalidRequest: a field is unknown, has a wrong value, or does not go with the others;
            `param` names it.
    """
    for name in unknown_fields(document, FaultOrder):
        known = ", ".join(FaultOrder.__struct_encode_fields__)
        raise InvalidRequest(
            f"Unknown parameter: '{name}'. A fault has: {known}.",
            param=name,
            code="unknown_parameter",
        )
    try:
        order = msgspec.convert(document, FaultOrder)
    except msgspec.ValidationError as error:
        refuse(str(error), {"kind": ", ".join(KINDS)})
    for name, objection in _objections(order):
        raise InvalidRequest(objection, param=name, code="invalid_value")
    return order


def _objections(order: FaultOrder) -> Iterator[tuple[str, str]]:
    """Fields that do not go with the others, and why not."""
    if order.status is not None and order.kind not in (None, "error_event"):
        yield "kind", f"Of the kinds only 'error_event' goes with a 'status', not '{order.kind}'."
    for name, value in (("afterChunks", order.after_chunks), ("seconds", order.seconds)):
        if value is not None and order.kind is None:
            yield name, f"'{name}' needs a 'kind'."
    if order.seconds is not None and order.kind not in KINDS_THAT_TAKE_TIME:
        timed = ", ".join(KINDS_THAT_TAKE_TIME)
        yield "seconds", f"'{order.kind}' takes no 'seconds'. These do: {timed}."
    if order.status is None:
        about_error = ("message", "type", "code") if order.kind != "error_event" else ()
        values = {"message": order.message, "type": order.type, "code": order.code}
        for name in about_error:
            if values[name] is not None:
                yield name, f"'{name}' needs a 'status' or the kind 'error_event'."
        if order.retry_after is not None:
            yield "retryAfter", "'retryAfter' needs a 'status'."
        if order.kind is None and not order.delay_ms:
            yield "kind", "A fault needs a 'status', a 'kind' or a 'delayMs'."
