"""When what was said: the time line of a reply, and how it is kept in little room.

What is done for each event here counts: a reply has thousands of them.
"""

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, pairwise, repeat
from typing import Literal

import msgspec
from msgspec import Struct

from llm_proxy.core.reply import (
    Annotations,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Said,
    TextDelta,
    TextRun,
    ToolCallDelta,
)
from llm_proxy.records.course import SoFar

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


class Timed(Struct, array_like=True, gc=False):
    """An event: milliseconds since the request came, what it was, and its length.

    The events of one kind and choice, in their order, make up the text of that kind which the
    folded reply has: each is the next so many of its characters.
    """

    ms: float
    kind: Kind
    choice: int
    characters: int


class _KeptPlain(Struct, array_like=True, tag="plain"):
    """The time line of a reply that is one text; of its pieces there are the lengths.

    `at` are the moments as the machine writes them: to look at each would take longer.
    """

    began: float
    at: bytes
    lengths: Sequence[int]
    counts: Sequence[int]


class _KeptMixed(Struct, array_like=True, tag="mixed"):
    """Any other time line."""

    line: list[Timed]


def kept(so_far: SoFar, began: float) -> bytes:
    """The time line of a reply as bytes to be kept; its moments are counted from `began`."""
    if not so_far.moments:
        return b""
    lengths = list(map(len, so_far.texts))
    at, counts = so_far.moments, so_far.counts
    apart = len(counts or lengths)  # the moments of the text
    if so_far.is_one_text:
        if len(at) <= MAX_TIMED:
            return msgspec.msgpack.encode(_KeptPlain(began, at.tobytes(), lengths, counts))
        moments = list(_each(at[:apart], counts))
        stride = -(-len(lengths) // MAX_TIMED)
        ends = list(accumulate(lengths, initial=0))
        merged = [later - earlier for earlier, later in pairwise([*ends[:-1:stride], ends[-1]])]
        times = array("d", [*moments[::stride], *at[apart:]])
        return msgspec.msgpack.encode(_KeptPlain(began, times.tobytes(), merged, []))
    ms = [round((moment - began) * 1000, 2) for moment in at]
    line = [
        Timed(moment, "text", 0, length)
        for moment, length in zip(_each(ms[:apart], counts), lengths, strict=True)
    ]
    line += [
        Timed(moment, *what)
        for event, moment in zip(so_far.events, ms[apart:], strict=True)
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
    ms = [round((moment - known.began) * 1000, 2) for moment in array("d", known.at)]
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
    single: dict[tuple[Kind, int], Timed] = {}  # where choices take turns no neighbours are alike
    for one in line:
        first = single.pop((one.kind, one.choice), None)
        if first is None:
            thin.append(one)
            single[one.kind, one.choice] = one
        else:
            first.characters += one.characters
    return thin


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
