"""The reply of an exchange as it is kept: its choices, each folded into whole texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from llm_proxy.core.chat_request import ToolCall
from llm_proxy.core.folding import collect
from llm_proxy.core.reply import Choice, FinishReason, Reply, TextDelta
from llm_proxy.journal.redacted import redacted_beginning
from llm_proxy.records.course import SoFar
from llm_proxy.records.cut import MAX_SECRET

MAX_SAID = 64 * 1024
"""Characters that are kept of each text of a reply."""


class Folded(Struct, frozen=True, rename="camel", omit_defaults=True):
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


def folded(reply: Reply | None, so_far: SoFar) -> list[Folded]:
    """The choices of the whole `reply`, or of what has come of one by now.

    One that is cut still has to be `trimmed`.
    """
    if reply is None and so_far.is_one_text:  # is folded at once
        if not so_far.moments:
            return []
        reason = so_far.finish.reason if so_far.finish else None
        return [_choice(Choice(("".join(so_far.texts),)), reason)]
    if reply is None:
        reply = collect([*map(TextDelta, so_far.texts), *so_far.events])
    return [_choice(choice, choice.reason) for choice in reply.choices]


def _choice(choice: Choice, reason: FinishReason | None) -> Folded:
    calls = choice.tool_calls
    whole = Folded(
        "".join(choice.pieces), choice.reasoning, choice.refusal, calls, choice.citations, reason
    )
    lengths = [len(call.arguments) for call in calls]
    if max(len(whole.text), len(whole.reasoning), len(whole.refusal), *lengths) <= MAX_SAID:
        return whole
    return _shortened(whole, lambda text: text[: MAX_SAID + MAX_SECRET])


def trimmed(choice: Folded, redacted: Callable[[str], str]) -> Folded:
    """The choice as it may be kept; only one that is `cut` is looked through."""
    if not choice.cut:
        return choice
    return _shortened(choice, lambda text: redacted_beginning(text, MAX_SAID, redacted))


def _shortened(choice: Folded, shortened: Callable[[str], str]) -> Folded:
    return replace(
        choice,
        text=shortened(choice.text),
        reasoning=shortened(choice.reasoning),
        refusal=shortened(choice.refusal),
        tool_calls=[replace(one, arguments=shortened(one.arguments)) for one in choice.tool_calls],
        cut=True,
    )


def beginning(choices: Sequence[Folded]) -> str:
    """What was said first, or what was done instead."""
    if not choices:
        return ""
    first = choices[0]
    return first.text or first.refusal or ", ".join([f"{one.name}()" for one in first.tool_calls])


def shown(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A choice that was kept, with all that it can have."""
    return {**NOTHING_SAID, **choice}
