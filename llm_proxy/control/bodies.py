"""The bodies that the control API takes: what is to be set, in which namespace, how often."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from llm_proxy.control.fields import one_needed, refuse_unknown
from llm_proxy.errors import InvalidRequest
from llm_proxy.mock.faults.orders import FaultOrder, fault_order
from llm_proxy.mock.fixtures.shape import FixtureDocument
from llm_proxy.openai_api.decoding import decode_body

Shape = TypeVar("Shape", bound=Struct)

Times = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[float, Meta(ge=0)]
PerMinute = Annotated[int, Meta(ge=0, le=10**9)]

CheckFixture = Callable[[Mapping[str, Any]], Sequence[str]]
"""What is wrong with a fixture, each problem in a sentence."""


class PacingBody(Struct, kw_only=True, rename="camel"):
    """How fast replies come; what is left out is as the settings say."""

    ttft_ms: NotNegative | UnsetType = UNSET
    tokens_per_second: NotNegative | UnsetType = UNSET
    jitter: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    profile: str | UnsetType = UNSET
    namespace: str | None = None


class QuotaBody(Struct, kw_only=True, rename="camel"):
    """What may be asked in a minute (0: anything); what is left out is as the settings say."""

    requests_per_minute: PerMinute | UnsetType = UNSET
    tokens_per_minute: PerMinute | UnsetType = UNSET
    namespace: str | None = None


class ResetBody(Struct, kw_only=True):
    """What to forget: one namespace, or all."""

    namespace: str | None = None


class _FaultEnvelope(Struct, kw_only=True):
    """What stands beside a fault: it happens once if `times` is left out, always if it is null."""

    namespace: str | None = None
    times: Times | None = 1


class _FixtureEnvelope(Struct, kw_only=True):
    """What stands beside a fixture, or beside several; they answer always if `times` is null."""

    fixtures: list[dict[str, Any]] | UnsetType = UNSET
    namespace: str | None = None
    times: Times | None = None


class FaultBody(FaultOrder, frozen=True, kw_only=True):
    """A fault with what may stand beside it, as it is told to those who write one."""

    namespace: str | None = None
    times: Times | None = 1


class FixtureBody(FixtureDocument, frozen=True, kw_only=True):
    """The same of a fixture."""

    namespace: str | None = None
    times: Times | None = None


class FixturesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same of several."""

    fixtures: list[FixtureDocument]
    namespace: str | None = None
    times: Times | None = None


class Asked(Struct, frozen=True):
    """Something that is to be set, as far as the body tells."""

    document: Mapping[str, Any]
    namespace: str | None
    times: int | None = None


def fault(document: bytes) -> Asked:
    """The fault in a body.

    Raises:
        InvalidRequest: it is none; `param` names the field.
    """
    envelope, sent = decode_body(document, _FaultEnvelope, {})
    fields = _without_envelope(sent)
    refuse_unknown(fields, FaultOrder)
    one_needed(fields, ("status", "kind", "delayMs"))
    fault_order(fields)
    return Asked(fields, envelope.namespace, envelope.times)


def pacing(document: bytes, profiles: Collection[str]) -> Asked:
    """The pacing in a body; it may name one of `profiles`.

    Raises:
        InvalidRequest: it is none; `param` names the field.
    """
    body, sent = _decoded(document, PacingBody)
    one_needed(sent, ("ttftMs", "tokensPerSecond", "jitter", "profile"))
    if body.profile is not UNSET and body.profile not in profiles:
        raise InvalidRequest(
            f"There is no profile '{body.profile}'. There are: {', '.join(profiles) or 'none'}.",
            param="profile",
            code="invalid_value",
        )
    return Asked(_without_envelope(sent), body.namespace)


def quota(document: bytes) -> Asked:
    """The quota in a body.

    Raises:
        InvalidRequest: it is none; `param` names the field.
    """
    body, sent = _decoded(document, QuotaBody)
    one_needed(sent, ("requestsPerMinute", "tokensPerMinute"))
    return Asked(_without_envelope(sent), body.namespace)


def reset(document: bytes) -> str | None:
    """The namespace that is to be forgotten, if the body names one; it may be empty.

    Raises:
        InvalidRequest: it says something else.
    """
    return _decoded(document or b"{}", ResetBody)[0].namespace


def fixtures(document: bytes, check: CheckFixture) -> tuple[list[Asked], bool]:
    """The fixtures in a body, and whether it holds just one and no list of them.

    Raises:
        InvalidRequest: `check` finds something wrong with one.
    """
    envelope, sent = decode_body(document, _FixtureEnvelope, {})
    one = "fixtures" not in sent
    if not one:
        refuse_unknown(sent, _FixtureEnvelope)
    fields = _without_envelope(sent)
    found = [fields] if one else fields["fixtures"]
    problems = [
        problem if one else f"fixtures[{number}]: {problem}"
        for number, fixture in enumerate(found)
        for problem in check(fixture)
    ]
    if problems:
        raise InvalidRequest(" ".join(problems), param=None if one else "fixtures")
    return [Asked(fixture, envelope.namespace, envelope.times) for fixture in found], one


def _decoded(document: bytes, shape: type[Shape]) -> tuple[Shape, dict[str, Any]]:
    body, sent = decode_body(document, shape, {})
    refuse_unknown(sent, shape)
    return body, sent


def _without_envelope(sent: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sent.items() if name not in ("namespace", "times")}
