"""When what was said: the time line of a reply, and how it is kept in little room.

What is done for each event here counts: a reply has thousands of them.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain, pairwise, repeat
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
_CHOICE_OF: Callable[[Any], int] = attrgetter("choice")


class Timed(Struct, array_like=True, gc=False):
    """An event: milliseconds since the request came, what it was, and its length.

    The events of one kind and choice, in their order, make up the text of that kind which the
    folded reply has: each is the next so many of its characters.
    """

    ms: float
    kind: Kind
    choice: int
    characters: int


class Plain(Struct, gc=False):
    """What is known of a reply that is one text.

    `at` are the moments at which something came: with each of them came the next so many of
    the `pieces` as `counts` tells, or one, if it tells nothing. A last moment without a piece is
    that of the `finish`.
    """

    pieces: list[str]
    at: list[float]
    counts: list[int]
    finish: Finish | None


class _KeptPlain(Struct, array_like=True, tag="plain"):
    """The time line of such a reply; of the pieces there are the lengths."""

    began: float
    at: list[float]
    lengths: list[int]
    counts: list[int]


class _KeptMixed(Struct, array_like=True, tag="mixed"):
    """Any other time line."""

    line: list[Timed]


def plain(events: Sequence[Said | TextRun], at: Sequence[float]) -> Plain | None:
    """The reply whose `events` came `at` these moments, if it is one text, finished or not."""
    types = list(map(type, events))  # most often all are alike, which is seen at once
    last = events[-1] if events else None
    finish = last if isinstance(last, Finish) else None
    said = len(types) - (finish is not None)
    runs = types.count(TextRun)
    if not said or types.count(TextDelta) + runs != said or any(map(_CHOICE_OF, events)):
        return None
    if not runs:
        return Plain(list(map(_TEXT_OF, events[:said])), list(at), [], finish)
    pieces: list[str] = []
    counts: list[int] = []
    for event in events[:said]:
        before = len(pieces)
        pieces += event.pieces if isinstance(event, TextRun) else (_TEXT_OF(event),)
        counts.append(len(pieces) - before)
    return Plain(pieces, list(at), counts, finish)


def count(events: Sequence[Said | TextRun], said: Plain | None) -> int:
    """How many events there were, those of runs each by itself."""
    if said is not None:
        return len(said.pieces) + (said.finish is not None)
    return sum(len(one.pieces) if isinstance(one, TextRun) else 1 for one in events)


def kept(
    events: Sequence[Said | TextRun], at: Sequence[float], began: float, said: Plain | None
) -> bytes:
    """The time line of `events`, which came `at` these moments, as bytes to be kept.

    Moments are counted from `began`. A reply that is one text, `said`, is kept as such.
    """
    if not events:
        return b""
    if said is not None:
        lengths = list(map(len, said.pieces))
        if len(said.at) <= MAX_TIMED:
            return msgspec.msgpack.encode(_KeptPlain(began, said.at, lengths, said.counts))
        moments = list(_each(said.at, said.counts))
        finished = said.at[len(said.counts or lengths) :]
        stride = -(-len(lengths) // MAX_TIMED)
        ends = list(accumulate(lengths, initial=0))
        merged = [later - earlier for earlier, later in pairwise([*ends[:-1:stride], ends[-1]])]
        times = moments[: len(lengths) : stride] + finished
        return msgspec.msgpack.encode(_KeptPlain(began, times, merged, []))
    line = [
        Timed(round((moment - began) * 1000, 2), *what)
        for event, moment in zip(events, at, strict=False)
        for what in _what(event)
    ]
    return msgspec.msgpack.encode(_KeptMixed(_bounded(line)))


def read(line: bytes) -> list[Timed]:
    """A time line that was kept."""
    if not line:
        return []
    known = msgspec.msgpack.decode(line, type=_KeptPlain | _KeptMixed)
    if isinstance(known, _KeptMixed):
        return known.line
    ms = [round((moment - known.began) * 1000, 2) for moment in known.at]
    said = [
        Timed(moment, "text", 0, length)
        for moment, length in zip(_each(ms, known.counts), known.lengths, strict=False)
    ]
    finished = ms[len(known.counts or known.lengths) :]
    return _bounded(said + [Timed(moment, "finish", 0, 0) for moment in finished])


def _each(moments: Sequence[float], counts: Sequence[int]) -> Iterator[float]:
    """The moment of each piece, where so many came at once."""
    return chain.from_iterable(map(repeat, moments, counts)) if counts else iter(moments)


def _bounded(line: list[Timed]) -> list[Timed]:
    while len(line) > MAX_TIMED + 1:
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


def _what(event: Said | TextRun) -> Iterator[tuple[Kind, int, int]]:
    match event:
        case TextRun(pieces):
            for piece in pieces:
                yield "text", event.choice, len(piece)
            return
        case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text):
            length = len(text)
        case ToolCallDelta():
            length = len(event.arguments)
        case Annotations(citations):
            length = len(citations)
        case Finish():
            length = 0
    yield _KINDS[type(event)], event.choice, length
