"""An exchange of the journal as a fixture, which holds no key."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from llm_proxy.control.asked import HIDDEN, STAND_IN, chat_asked, refuse_unkept
from llm_proxy.core.reply import (
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.errors import NotServed
from llm_proxy.journal.entry import Found
from llm_proxy.journal.folded import NOTHING_SAID
from llm_proxy.journal.timeline import Kind, Timed
from llm_proxy.mock.recording.answer import Heard
from llm_proxy.mock.recording.fixture import reply_fixture
from llm_proxy.mock.recording.matching import has_text, match_of
from llm_proxy.openai_api.decoder import Decoded

_TEXTS: tuple[Kind, ...] = ("reasoning", "text", "refusal")
_PIECES: tuple[Kind, ...] = (*_TEXTS, "tool")


def fixture(found: Found) -> dict[str, Any]:
    """A file of fixtures with one that gives the same reply, at the same pace, or fails alike.

    A secret in the request may be any.

    Raises:
        NotServed: it was no request for a reply, or too long to be kept, or had no text or several
            prompts, or there was neither a reply nor an error.
    """
    refuse_unkept(found)
    asked = chat_asked(found, stand_in=STAND_IN)
    if asked is None:
        raise NotServed("Only of a request for a reply that was understood a fixture can be made.")
    if not has_text(asked) or (asked.endpoint == "completions" and len(asked.messages) > 1):
        raise NotServed("A fixture is found by the text of one question, which this has not.")
    asked = replace(asked, stream=bool(found.details["timeline"]))
    error = found.details["error"]
    fault = _fault(found)
    if found.details["reply"] or fault:
        made = reply_fixture(asked, list(_heard(found)), _masked) | fault
    elif error:
        told = {name: error[name] for name in ("message", "type", "code", "param")}
        told = {name: value for name, value in told.items() if value is not None}
        response: dict[str, Any] = {"error": told, "status": error["status"]}
        made = {"match": match_of(asked, _masked), "response": response}
    else:
        raise NotServed("There was no answer of which a fixture could be made.")
    return {"fixtures": [made]}


def _fault(found: Found) -> dict[str, Any]:
    """What a fixture says of what went wrong with a reply, if something did."""
    entry, details = found.entry, found.details
    fault = details["fault"]
    if details["error"] and entry.status < 400:
        said = [one for one in details["timeline"] if one.choice == 0 and one.kind in _PIECES]
        return {"fault": {"kind": "error_event", "afterChunks": len(said)}}
    if fault is None or entry.outcome != "scripted":
        return {}
    if entry.stream and fault["after"] == 0 and details["reply"]:
        raise NotServed("It broke off after a time, and a fixture counts events.")
    told = {"kind": fault["kind"], "afterChunks": fault["after"]}
    return {"fault": told if fault["seconds"] is None else told | {"seconds": fault["seconds"]}}


def _masked(text: str) -> str:
    return text.replace(STAND_IN, HIDDEN)


def _heard(found: Found) -> Iterator[Heard]:
    """The first choice of the reply as it was said, piece by piece where it was streamed."""
    reply, entry = found.details["reply"], found.entry
    choice = reply["choices"][0] if reply else NOTHING_SAID
    end = entry.duration_ms / 1000
    left: dict[str, str] = {kind: choice[kind] for kind in _TEXTS}
    line = [one for one in found.details["timeline"] if one.choice == 0]
    line = line or [Timed(entry.duration_ms, kind, 0, len(left[kind])) for kind in _TEXTS]
    called = False
    for one in line:
        at = one.ms / 1000
        if one.kind == "tool" and not called:
            called = True
            yield from _calls(choice, at)
        elif one.kind in left and one.characters:
            piece, left[one.kind] = (
                left[one.kind][: one.characters],
                left[one.kind][one.characters :],
            )
            yield Heard(_piece(one.kind, piece), at)
    if not called:
        yield from _calls(choice, end)
    usage = None
    if entry.prompt_tokens is not None and entry.completion_tokens is not None:
        usage = Usage(
            entry.prompt_tokens,
            entry.completion_tokens,
            found.details["reasoningTokens"],
            found.details["cachedTokens"],
        )
    yield Heard(Finish(choice["finishReason"] or "stop", usage), end)


def _calls(choice: Mapping[str, Any], at: float) -> Iterator[Heard]:
    for index, call in enumerate(choice["toolCalls"]):
        said = ToolCallDelta(index, call["id"] or None, call["name"], call["arguments"])
        yield Heard(said, at)


def _piece(kind: str, text: str) -> Decoded:
    match kind:
        case "reasoning":
            return ReasoningDelta(text)
        case "refusal":
            return RefusalDelta(text)
        case _:
            return TextDelta(text)
