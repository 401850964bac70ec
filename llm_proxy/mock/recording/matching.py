"""The `match` of a recording: the request that was asked, and no other, as far as it can tell.

Of the conversation before the last user message it knows the number of the model's answers
only; of what is not text it knows nothing.
"""

import re
from collections.abc import Callable
from typing import Any

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.mock.fixtures.facts import has_tool_result, response_format, user_text

_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]()|]")

Masked = Callable[[str], str]

MASK = "***"
"""What stands for a key in a recording."""

SCOPES = {"context": "x-aimock-context", "namespace": "x-mock-namespace"}
"""Headers that say whose request it is, by the field of a match."""


def match_of(request: ChatRequest, masked: Masked) -> dict[str, Any]:
    """What a request has to be like to get the same reply, on any surface that has text.

    Whole texts are matched by a regular expression, as a plain one would match any text that
    it is part of. A key in a text may be any.
    """
    match: dict[str, Any] = {"userMessage": exactly(asked_text(request), masked)}
    system = [m.text for m in request.messages if m.role in ("system", "developer")]
    if any(system):
        match["systemMessage"] = exactly("\n".join(system), masked)
    match["model"] = request.model
    match["turnIndex"] = sum(m.role == "assistant" for m in request.messages)
    answered = has_tool_result(request.messages)
    if answered or request.tools:
        match["hasToolResult"] = answered
    if request.messages and (last := request.messages[-1]).role == "tool":
        if last.tool_call_id:
            match["toolCallId"] = last.tool_call_id
        if last.text and masked(last.text) == last.text:
            match["toolResultContains"] = last.text
    if (wanted := response_format(request)) not in (None, "text"):
        match["responseFormat"] = wanted
    for name, header in SCOPES.items():
        if value := request.headers.get(header, "").strip():
            match[name] = value
    return match


def has_text(request: ChatRequest) -> bool:
    """Whether there is a text to match: a request may be an image alone, or be in tokens."""
    in_tokens = any(message.tokens for message in request.messages)
    return not in_tokens and user_text(request.messages) is not None


def asked_text(request: ChatRequest) -> str:
    """The last user message that has a text, as fixtures see it."""
    return user_text(request.messages) or ""


def exactly(text: str, masked: Masked) -> dict[str, str]:
    """The matcher of a text that is this one from its beginning to its end.

    Only what has a meaning in a regular expression is escaped, so that people can read it.
    """
    clean = masked(text)
    pattern = _SPECIAL.sub(r"\\\g<0>", clean)
    if clean != text:
        pattern = pattern.replace(_SPECIAL.sub(r"\\\g<0>", MASK), r"[^\s]*")
    return {"regex": f"^{pattern}\\Z"}
