"""The reply of an exchange as it is kept: its choices, each folded into whole texts."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from llm_proxy.folding import collect
from llm_proxy.journal.timeline import Plain
from llm_proxy.reply import Choice, FinishReason, Reply, Said, ToolCall

MAX_SAID = 64 * 1024
"""Characters that are kept of each text of a reply."""


class Folded(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One choice; `cut` tells that a text was longer than `MAX_SAID`."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: Sequence[ToolCall] = ()
    citations: Sequence[str] = ()
    finish_reason: FinishReason | None = None
    cut: bool = False


NOTHING_SAID: Mapping[str, Any] = {
    "text": "",
    "reasoning": "",
    "refusal": "",
    "toolCalls": [],
    "citations": [],
    "finishReason": None,
    "cut": False,
}
"""A choice in which nothing was said, as it is shown."""


def folded(reply: Reply | None, said: Plain | None, events: Sequence[Said]) -> list[Folded]:
    """The choices of a reply that is whole, or one text, or has come to these `events`."""
    if said is not None:
        return [_cut(text="".join(said.pieces), finish_reason=said.finish and said.finish.reason)]
    choices = reply.choices if reply is not None else collect(list(events)).choices
    return [_choice(choice) for choice in choices]


def shown(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A choice that was kept, with all that it can have."""
    return {**NOTHING_SAID, **choice}


def beginning(choices: Sequence[Folded]) -> str:
    """What was said first, or done in its place."""
    for choice in choices[:1]:
        return choice.text or choice.refusal or ", ".join(f"{c.name}()" for c in choice.tool_calls)
    return ""


def _choice(choice: Choice) -> Folded:
    calls = choice.tool_calls
    if any(len(call.arguments) > MAX_SAID for call in calls):
        short = [replace(call, arguments=call.arguments[:MAX_SAID]) for call in calls]
        return replace(_cut(choice.text, choice.reasoning, choice.refusal), cut=True)
