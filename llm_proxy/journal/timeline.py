"""When what was said: the time line of a reply, and how it is kept in little room.

What is done for each event here counts: a reply has thousands of them.
"""

from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any, Literal

import msgspec
from msgspec import Struct

from llm_proxy.reply import (
    Annotations,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Said,
    TextDelta,
    TextRun,
    ToolCallDelta,
)

MAX_TIMED = 2_000
"""Events of a time line; of a longer one neighbours are put together."""

Kind = Literal["text", "reasoning", "refusal", "tool", "citations", "finish"]

_KINDS: dict[type[Said], Kind] = {
    TextDelta: "text",
    ReasoningDelta: "reasoning",
    RefusalDelta: "refusal",
    ToolCallDelta: "tool",
    Annotations: "citations",
    Finish: "finish",
}

_TEXT_OF: Callable[[Any], str] = attrgetter("text")


class Timed(Struct, array_like=True, gc=False):
    """An event: milliseconds since the request came, what it was, and its length.

    The events of one kind and choice, in their order, make up the text of that kind which the
    folded reply has: each is the next so many of its characters.
    """

    ms: float
    kind: Kind
    choice: int
    characters: int


class _Plain(Struct, array_like=True, tag="plain"):
    """The time line of a reply that is one text: where each piece begins, and when it came."""

    began: float
    at: bytes
    starts: bytes


class _Mixed(Struct, array_like=True, tag="mixed"):
    """Any other time line."""

    line: list[Timed]


def apart(
    events: Sequence[Said | TextRun], at: Sequence[float]
) -> tuple[Sequence[Said], Sequence[float]]:
    """The events with those of each run one by one, and the moment of each."""
    single: list[Said] = []
    moments: list[float] = []
    for event, moment in zip(events, at, strict=False):  # one more may just be coming
        if isinstance(event, TextRun):
            single += [TextDelta(piece, event.choice) for piece in event.pieces]
            moments += [moment] * len(event.pieces)
        else:
            single.append(event)
            moments.append(moment)
    return single, moments


def plain_texts(events: Sequence[Said]) -> list[str] | None:
    """The pieces of a reply that is one text, finished or not; None for any other reply."""
    types = list(map(type, events))
    said = types.count(TextDelta)
    if said and (said == len(types) or (said == len(types) - 1 and types[-1] is Finish)):
        return list(map(_TEXT_OF, events[:said]))
    return None


def kept(
    events: Sequence[Said], at: Sequence[float], began: float, texts: Sequence[str] | None
) -> bytes:
    """The time line of `events`, which came `at` these moments, as bytes to be kept.

    Moments are counted from `began`. `texts` are the `plain_texts` of the events.
    """
    if texts is None:
        line = [
            Timed(round((moment - began) * 1000, 2), *_what(event))
            for event, moment in zip(events, at, strict=True)
        ]
        while len(line) > MAX_TIMED:
            line = _thinned(line)
        return msgspec.msgpack.encode(_Mixed(line))
    starts = array("Q", accumulate(map(len, texts), initial=0))
    stride = -(-len(texts) // MAX_TIMED)
    last = starts.pop()
    starts = starts[::stride]
    starts.append(last)
    moments = array("d", at)
    times = moments[: len(texts) : stride]
    times.extend(moments[len(texts) :])
    return msgspec.msgpack.encode(_Plain(began, times.tobytes(), starts.tobytes()))


def read(line: bytes) -> list[Timed]:
    """A time line that was kept."""
    if not line:
        return []
    known = msgspec.msgpack.decode(line, type=_Plain | _Mixed)
    if isinstance(known, _Mixed):
        return known.line
    at, starts = array("d", known.at), array("Q", known.starts)
    ms = [round((moment - known.began) * 1000, 2) for moment in at]
    said = [
        Timed(moment, "text", 0, end - start)
        for moment, start, end in zip(ms, starts, starts[1:], strict=False)
    ]
    return said + [Timed(moment, "finish", 0, 0) for moment in ms[len(said) :]]


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
        case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text):
            length = len(text)
        case ToolCallDelta():
            length = len(event.arguments)
        case Annotations(citations):
            length = len(citations)
        case Finish():
            length = 0
    return _KINDS[type(event)], event.choice, length
