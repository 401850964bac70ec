"""Requests that the fixtures of a file are made for, and some that none is made for."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


class Case(Struct, frozen=True):
    """One conversation, or inputs to be embedded, with what a fixture may ask beside it."""

    name: str
    messages: list[dict[str, Any]]
    inputs: list[str]
    model: str = "gpt-4o-2024-08-06"
    tools: list[str] = []
    response_format: str | None = None
    headers: Mapping[str, str] = {}


def cases(fixtures: list[dict[str, Any]]) -> Iterator[Case]:
    """A case for each fixture, in their order, then some that are to match nothing."""
    for number, fixture in enumerate(fixtures, 1):
        match = fixture["match"]
        if match.get("endpoint") not in (None, "chat", "embedding"):
            continue
        yield _case(f"#{number}", match)
    yield _case("case", {"userMessage": "CASE hello"})
    yield _case("no user", {})
    yield _case("nothing", {"userMessage": "of all this, none fits"})


def _case(name: str, match: Mapping[str, Any]) -> Case:
    context = match.get("context")
    return Case(
        name,
        list(_messages(match)),
        _inputs(match["inputText"]) if "inputText" in match else [],
        # A version behind the model is no other model.
        match.get("model", "gpt-4o")
        if "inputText" in match
        else match.get("model", "gpt-4o") + "-2024-08-06",
        [match["toolName"]] if "toolName" in match else [],
        match.get("responseFormat"),
        {"X-AIMock-Context": context} if context else {},
    )


def _inputs(text: str) -> list[str]:
    """The text as two inputs, which both servers join by a space."""
    first, _, second = text.partition(" ")
    return [first, second] if second else [first]


def _messages(match: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    system = match.get("systemMessage", [])
    for text in [system] if isinstance(system, str) else system[::-1]:
        yield {"role": "system", "content": f"Mind {text}, please."}
    for _ in range(match.get("turnIndex", 0)):
        yield {"role": "user", "content": "before"}
        yield {"role": "assistant", "content": "earlier"}
    if "userMessage" in match or "toolCallId" in match:
        yield {"role": "user", "content": f"Well, {match.get('userMessage', 'go on')}!"}
    elif "toolName" in match:
        yield {"role": "user", "content": "use it"}
    else:
        yield {"role": "system", "content": "Nobody asks."}
    if match.get("hasToolResult") or "toolCallId" in match:
        id_ = match.get("toolCallId", "call_1")
        yield {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": id_}]}
        result = match.get("toolResultContains", "fine")
        yield {"role": "tool", "tool_call_id": id_, "content": f"Result: {result}."}
