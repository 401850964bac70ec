"""What the page shows of an exchange: with `replies` all that knows the names in the journal.

Values that a template writes down as they are; no markup, no Flask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from llm_proxy.inspector import conversation
from llm_proxy.inspector.conversation import Turn
from llm_proxy.inspector.replies import Choice, choices_of
from llm_proxy.inspector.timeline import At, Picture, picture, written

Tone = Literal["good", "warn", "bad", "open"]

PASSED_ON = ("content-type", "openai-beta")
"""Headers that are sent again with a request, beside those that steer the mock."""

MOST_EVENTS_LISTED = 500

NOT_KEPT = "(not kept as it was sent: a secret may stand in several of its pieces)"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An exchange as it is listed. `version` changes when anything else here does."""

    id: str
    time: str
    clock: str
    tone: Tone
    status: int
    outcome: str
    method: str
    path: str
    model: str
    stream: bool
    origin: str
    namespace: str
    question: str
    answer: str
    warnings: int
    tokens: str
    first: str
    duration: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An exchange with all that is known of it."""

    row: Row
    over: bool
    warnings: Sequence[tuple[str, str, str]]
    warnings_more: int
    error: str
    fault: str
    turns: Sequence[Turn]
    parameters: Mapping[str, str]
    tools: Sequence[tuple[str, str, str]]
    choices: Sequence[Choice]
    picture: Picture
    events: Sequence[tuple[str, str, int, int]]
    events_more: int
    figures: Sequence[tuple[str, str]]
    facts: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    answer_headers: Mapping[str, str]
    request: str
    response: str
    again: Mapping[str, str]
    query: str


def listed(entry: Any) -> Row:
    """The row of a `journal.entry.Entry`."""
    came = datetime.fromtimestamp(entry.time, UTC)
    return Row(
        id=entry.id,
        time=came.isoformat(timespec="milliseconds"),
        clock=came.strftime("%H:%M:%S"),
        tone=_tone(entry),
        status=entry.status,
        outcome="running" if not entry.over else entry.outcome,
        method=entry.method,
        path=entry.path,
        model=entry.model or "",
        stream=entry.stream,
        origin=entry.origin,
        namespace=entry.namespace,
        question=entry.question,
        answer=entry.answer,
        warnings=entry.warning_count,
        tokens=_tokens(entry.prompt_tokens, entry.completion_tokens),
        first="" if entry.first_ms is None else written(entry.first_ms),
        duration=written(entry.duration_ms),
        version=f"{entry.over} {entry.status} {entry.outcome} {entry.duration_ms}",
    )


def opened(found: Any) -> Opened:
    """All of a `journal.entry.Found`."""
    entry, details = found.entry, found.details
    request = bytes(entry.request)
    document = msgspec.json.decode(request)
    timeline = msgspec.to_builtins(details.get("timeline") or ())
    told = details.get("warnings") or ()
    ats = [At(ms, kind, size) for ms, kind, _, size in timeline]
    return Opened(
        row=listed(entry),
        over=entry.over,
        warnings=[
            (one.get("kind", ""), one.get("param") or "", one.get("message", "")) for one in told
        ],
        warnings_more=entry.warning_count - len(told),
        error=_error(details.get("error")),
        fault=_fault(details.get("fault")),
        turns=conversation.conversation(document),
        parameters=conversation.parameters(document),
        tools=conversation.tools(document),
        choices=choices_of(details.get("reply"), timeline),
        picture=picture(ats, entry.duration_ms),
        events=[(written(ms), kind, choice, size) for ms, kind, choice, size in timeline][
            :MOST_EVENTS_LISTED
        ],
        events_more=max(0, len(timeline) - MOST_EVENTS_LISTED) + details.get("eventsLeftOut", 0),
        figures=_figures(entry, details),
        facts=_facts(entry, details),
        headers=details.get("headers") or {},
        answer_headers=details.get("answerHeaders") or {},
        request=_request_text(found, request, document),
        response=NOT_KEPT if details.get("responseLeftOut") else details.get("response") or "",
        again=_again(entry, details),
        query=f"?{details['query']}" if details.get("query") else "",
    )


def _tone(entry: Any) -> Tone:
    if not entry.over:
        return "open"
    if entry.outcome == "done":
        return "warn" if entry.warning_count else "good"
    return "warn" if entry.outcome in ("client gone", "scripted") else "bad"


def _tokens(prompt: int | None, completion: int | None) -> str:
    return "" if prompt is None and completion is None else f"{prompt or 0} → {completion or 0}"


def _error(error: Mapping[str, Any] | None) -> str:
    if not error:
        return ""
    names = ("type", "code", "param")
    told = ", ".join(f"{name} {error[name]}" for name in names if error.get(name))
    return f"{error.get('status')} {error.get('message')} ({told})"


def _fault(fault: Mapping[str, Any] | None) -> str:
    if not fault:
        return ""
    told = [str(fault.get("kind")), f"after {fault.get('after') or 0} events"]
    if fault.get("seconds") is not None:
        told.append(f"for {written(fault['seconds'] * 1000)}")
    return ", ".join(told)


def _figures(entry: Any, details: Mapping[str, Any]) -> list[tuple[str, str]]:

    def counted(tokens: int | None) -> str:
        return "" if tokens is None else f"{tokens:,}"

    figures = [
        ("First token", "" if entry.first_ms is None else written(entry.first_ms)),
        ("Duration", written(entry.duration_ms)),
        ("Events", str(entry.event_count) if entry.event_count else ""),
        ("Prompt tokens", counted(entry.prompt_tokens)),
        ("Completion tokens", counted(entry.completion_tokens)),
        ("Reasoning tokens", counted(details.get("reasoningTokens") or None)),
        ("Cached tokens", counted(details.get("cachedTokens") or None)),
        ("Request", f"{entry.request_bytes:,} bytes"),
        ("Answer", f"{entry.response_bytes:,} bytes"),
    ]
    return [(name, value) for name, value in figures if value]


def _facts(entry: Any, details: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("Answered by", entry.origin),
        ("Namespace", entry.namespace),
        ("Key", details.get("keyFingerprint") or ""),
        ("Client", entry.client),
        ("Address", details.get("peer") or ""),
        ("Query", details.get("query") or ""),
        ("After its end", "the client went on reading" if details.get("readOn") else ""),
    ]
    for note in details.get("notes") or ():
        facts += [(str(name).replace("_", " "), str(value)) for name, value in note.items()]
    return [(name, value) for name, value in facts if value]


def _request_text(found: Any, request: bytes, document: Any) -> str:
    """The request in lines, its numbers and its order as they were sent."""
    entry = found.entry
    if entry.is_too_long:
        digest = found.details["requestDigest"]
        return f"(not kept: {entry.request_bytes:,} bytes with the digest {digest})"
    if not entry.request_bytes:
        return ""
    if isinstance(document, str):
        return document
    return msgspec.json.format(request, indent=2).decode()


def _again(entry: Any, details: Mapping[str, Any]) -> dict[str, str]:
    """The headers with which the request can be sent again; none if it cannot."""
    if entry.is_too_long:
        return {}
    headers = {
        name: value
        for name, value in (details.get("headers") or {}).items()
        if name in PASSED_ON or name.startswith(("x-mock-", "x-aimock-"))
    }
    if entry.namespace:
        headers["x-mock-namespace"] = entry.namespace
    return {"content-type": "application/json", **headers}
