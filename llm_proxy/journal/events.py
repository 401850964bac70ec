"""When what was said: the time line of a reply, short enough to be kept."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from llm_proxy.reply import (
    Annotations,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Said,
    TextDelta,
    ToolCallDelta,
)

MAX_TIMED = 2_000
"""Events of a time line; of a longer one neighbours are put together, again and again."""

Kind = Literal["text", "reasoning", "refusal", "tool", "citations", "finish"]


class Timed(Struct, array_like=True, gc=False):
    """An event: milliseconds since the request came, what it was, and its length.

    The events of one kind and choice, in their order, make up the text of that kind which the
    folded reply has: each is the next so many of its characters.
    """

    ms: float
    kind: Kind
    choice: int
    characters: int


def timed(events: Sequence[Said], at: Sequence[float], began: float) -> list[Timed]:
    """The time line of `events`, which came `at` these moments, counted from `began`."""
    line = [
        Timed(round((moment - began) * 1000, 2), *_what(event))
        for event, moment in zip(events, at, strict=False)  # one more may just be coming
    ]
    while len(line) > MAX_TIMED:
        line = _thinned(line)
    return line


def _thinned(line: list[Timed]) -> list[Timed]:
    """The line with about half as many events; a pair of the same kind becomes its first one."""
    thin: list[Timed] = []
    paired = True
    for one in line:
        last = thin[-1] if thin else one
        if not paired and (last.kind, last.choice) == (one.kind, one.choice):
            last.characters += one.characters
            paired = True
        else:
            thin.append(one)
            paired = False
    # Where no two neighbours are alike there is no pair; then every second one has to go.
    return thin if len(thin) < len(line) else line[::2]


def _what(event: Said) -> tuple[Kind, int, int]:
    match event:
        case TextDelta(text, choice):
            return "text", choice, len(text)
        case ReasoningDelta(text, choice):
            return "reasoning", choice, len(text)
        case RefusalDelta(text, choice):
            return "refusal", choice, len(text)
        case ToolCallDelta(choice=choice):
            return "tool", choice, len(event.arguments)
        case Annotations(citations, choice):
            return "citations", choice, len(citations)
        case Finish(choice=choice):
            return "finish", choice, 0
