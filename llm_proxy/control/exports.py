"""What can be made of an exchange: a fixture, a test. None of them holds a key."""

import json
import re
from collections.abc import Iterator, Mapping
from pprint import pformat
from typing import Any

from msgspec.structs import replace

from llm_proxy.control.asked import HIDDEN, STAND_IN, chat_asked, refuse_unkept, sent
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
from llm_proxy.journal.timeline import Kind, Timed
from llm_proxy.mock.recording.answer import Heard
from llm_proxy.mock.recording.fixture import reply_fixture
from llm_proxy.mock.recording.matching import match_of
from llm_proxy.openai_api.again import surface_of
from llm_proxy.openai_api.decoder import Decoded

_TEXTS: tuple[Kind, ...] = ("reasoning", "text", "refusal")


def fixture(found: Found) -> dict[str, Any]:
    """A file of fixtures with one that gives the same reply, at the same pace, or fails alike.

    A secret in the request may be any.

    Raises:
        NotServed: it was no request for a reply, or too long to be kept, or there was neither
            a reply nor an error.
    """
    refuse_unkept(found)
    asked = chat_asked(found, stand_in=STAND_IN)
    if asked is None:
        raise NotServed("Only of a request for a reply that was understood a fixture can be made.")
    asked = replace(asked, stream=bool(found.details["timeline"]))
    error = found.details["error"]
    if found.details["reply"]:
        made = reply_fixture(asked, list(_heard(found)), _masked)
    elif error:
        told = {name: error[name] for name in ("message", "type", "code", "param")}
        told = {name: value for name, value in told.items() if value is not None}
        response: dict[str, Any] = {"error": told, "status": error["status"]}
        made = {"match": match_of(asked, _masked), "response": response}
    else:
        raise NotServed("There was no answer of which a fixture could be made.")
    return {"fixtures": [made]}


def pytest_test(found: Found) -> str:
    """A test for pytest that scripts the reply, asks for it again and asserts what came.

    Raises:
        NotServed: as `fixture` does.
    """
    (made,) = fixture(found)["fixtures"]
    surface = surface_of(found.entry.path)
    assert surface is not None
    body = {name: value for name, value in json.loads(sent(found)).items() if name != "stream"}
    name = re.sub(r"\W", "_", found.entry.id)
    ask = (
        f"    request = urllib.request.Request(llm_proxy.base_url + {surface.path!r}, "
        "json.dumps(BODY).encode(), HEADERS)"
    )
    failed = found.details["reply"] is None
    check = _fails(found) if failed else _answers(surface.path, found.details["reply"])
    lines = [
        f'"""What became of {found.entry.id}: {found.entry.method} {surface.path}."""',
        "",
        "import json",
        *(["import urllib.error"] if failed else []),
        "import urllib.request",
        "",
        *(["import pytest", ""] if failed else []),
        f"BODY = {pformat(body, width=96, sort_dicts=False)}",
        f"RESPONSE = {pformat(made['response'], width=96, sort_dicts=False)}",
        "",
        "",
        f"def test_{name}(llm_proxy):",
        "    llm_proxy.script(RESPONSE)",
        '    key = f"Bearer {llm_proxy.api_key}"',
        '    headers = {"Content-Type": "application/json", "Authorization": key}',
        ask.replace("HEADERS", "headers"),
        *check,
        "    assert llm_proxy.requests[-1].body == BODY",
    ]
    return "\n".join(lines) + "\n"


def _answers(path: str, reply: Mapping[str, Any]) -> Iterator[str]:
    """The lines that ask and look at what was said."""
    choice = reply["choices"][0]
    yield "    with urllib.request.urlopen(request) as answer:"
    yield "        document = json.load(answer)"
    calls = [(call["name"], call["arguments"]) for call in choice["toolCalls"]]
    match path:
        case "/responses":
            if choice["text"]:
                yield '    items = [one for one in document["output"] if one["type"] == "message"]'
                yield '    said = "".join(part["text"] for one in items for part in one["content"])'
                yield f"    assert said == {choice['text']!r}"
            if calls:
                yield '    calls = [one for one in document["output"] if "arguments" in one]'
                yield '    called = [(one["name"], one["arguments"]) for one in calls]'
                yield f"    assert called == {calls!r}"
        case "/completions":
            yield '    said = document["choices"][0]["text"]'
            yield f"    assert said == {choice['text']!r}"
        case _:
            yield '    message = document["choices"][0]["message"]'
            yield f'    assert (message["content"] or "") == {choice["text"]!r}'
            if calls:
                yield '    calls = [one["function"] for one in message["tool_calls"]]'
                yield '    called = [(one["name"], one["arguments"]) for one in calls]'
                yield f"    assert called == {calls!r}"


def _fails(found: Found) -> Iterator[str]:
    """The lines that ask, and look at how it failed."""
    yield "    with pytest.raises(urllib.error.HTTPError) as raised:"
    yield "        urllib.request.urlopen(request)"
    yield f"    assert raised.value.code == {found.details['error']['status']}"
    yield "    raised.value.close()"


def _masked(text: str) -> str:
    return text.replace(STAND_IN, HIDDEN)


def _heard(found: Found) -> Iterator[Heard]:
    """The first choice of the reply as it was said, piece by piece where it was streamed."""
    choice, entry = found.details["reply"]["choices"][0], found.entry
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
