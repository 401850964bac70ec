"""The faults that can be queued: which fields there are, and which go together."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from llm_proxy.control.fields import one_needed, refuse_unknown
from llm_proxy.errors import InvalidRequest
from llm_proxy.mock.faults import SpokenKind
from llm_proxy.openai_api.decoding import refuse
from llm_proxy.reply import WireFaultKind

NotNegative = Annotated[float, Meta(ge=0)]
KINDS = (*get_args(WireFaultKind), *get_args(SpokenKind))


class FaultBody(Struct, kw_only=True, rename="camel"):
    """An error in the place of a reply, a fault in it, or a delay before it."""

    status: Annotated[int, Meta(ge=400, le=599)] | UnsetType = UNSET
    message: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    retry_after: NotNegative | UnsetType = UNSET
    kind: WireFaultKind | SpokenKind | UnsetType = UNSET
    after_chunks: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    seconds: NotNegative | UnsetType = UNSET
    delay_ms: NotNegative | UnsetType = UNSET


def check_fault(fields: Mapping[str, Any]) -> None:
    """See to it that these fields are a fault.

    Raises:
        InvalidRequest: they are not; `param` names the field.
    """
    refuse_unknown(fields, FaultBody)
    try:
        body = msgspec.convert(fields, FaultBody)
    except msgspec.ValidationError as error:
        refuse(str(error), {"kind": ", ".join(map(repr, KINDS))})
    one_needed(fields, ("status", "kind", "delayMs"))
    tells_an_error = body.status is not UNSET or body.kind == "error_event"
    for name in ("message", "type", "code", "retryAfter"):
        if name in fields and not tells_an_error:
            raise _lonely(name, "'status'")
    for name in ("afterChunks", "seconds"):
        if name in fields and body.kind is UNSET:
            raise _lonely(name, "'kind'")


def _lonely(name: str, needed: str) -> InvalidRequest:
    return InvalidRequest(f"'{name}' needs a {needed}.", param=name, code="invalid_value")
