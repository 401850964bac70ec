"""Replay: a wrapper that gives a reply the pieces and the timing with which it was recorded.

Time is data here, as in `pacing`. Knows nothing of where a recording comes from.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import repeat
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from llm_proxy.core.reply import (
    Event,
    Events,
    Finish,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    Stamped,
    TextDelta,
    ToolCallDelta,
    WireFault,
)
from llm_proxy.core.runs import singly

Milliseconds = Annotated[float, Meta(ge=0)]
Characters = Annotated[int, Meta(ge=0)]
Piece = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta


class RecordedTimings(
    Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The `recordedTimings` of a fixture.

    `ttftMs` passes before the first chunk, and one of `intervalsMs` before each later one;
    before chunks beyond them, their mean.
    `chunkLengths` are the characters of each chunk: of what the model thought, of its text,
    its refusal and the arguments of its calls, in the order in which the reply is played; a
    chunk that begins a call may have none. A chunk does not reach beyond the text that it
    begins in. What is left when the lengths are used up is one more chunk, so a text that
    was edited is still told whole. Without lengths the reply is cut as any other is.

    `interChunkDelaysMs` and `totalDurationMs` are what aimock writes: the first is another
    name of `intervalsMs`, the second follows from it.
    """

    ttft_ms: Milliseconds = 0.0
    intervals_ms: tuple[Milliseconds, ...] = ()
    chunk_lengths: tuple[Characters, ...] = ()
    inter_chunk_delays_ms: tuple[Milliseconds, ...] = ()
    total_duration_ms: Milliseconds | None = None

    def waits_ms(self) -> Iterator[float]:
        """What passes before each chunk; without end."""
        later = self.intervals_ms or self.inter_chunk_delays_ms
        yield self.ttft_ms
        yield from later
        yield from repeat(sum(later) / len(later) if later else 0.0)


def timed(events: Events, timings: RecordedTimings, speed: float) -> Events:
    """Play a reply as it was recorded, `speed` times as fast (0: at once).

    An empty reply ends after `ttftMs`.
    """
    waits = timings.waits_ms()
    begun = False
    with closing(events):
        for event in recut(singly(events), timings.chunk_lengths):
            if isinstance(event, Piece) or (isinstance(event, Finish) and not begun):
                begun = True
                wait_ms = next(waits)
                if wait_ms and speed:
                    yield Pause(wait_ms / 1000 / speed)
            yield event


def recut(events: Events, lengths: Sequence[int]) -> Iterator[Event]:
    """Cut what is said into chunks of these lengths, as `RecordedTimings` has it."""
    if not lengths:
        yield from events
        return
    left = iter(lengths)
    run: list[Piece] = []
    for event in events:
        if isinstance(event, Pause | Stamped | WireFault):
            yield event
            continue
        if run and (not isinstance(event, Piece) or _slot(event) != _slot(run[0])):
            yield from _cut(run, left)
            run = []
        if isinstance(event, Piece):
            run.append(event)
        else:
            yield event
    if run:
        yield from _cut(run, left)


def text_of(piece: Piece) -> str:
    """The characters of a piece that count."""
    return piece.arguments if isinstance(piece, ToolCallDelta) else piece.text


def _cut(run: Sequence[Piece], left: Iterator[int]) -> Iterator[Piece]:
    """One text in pieces; the beginning of a call is a piece even if it has no characters."""
    text = "".join(map(text_of, run))
    first = run[0]
    start = 0
    begins = isinstance(first, ToolCallDelta)
    while begins or start < len(text):
        length = next(left, len(text) - start)
        if not length and not begins:
            continue
        piece = text[start : start + length]
        start += length
        if not isinstance(first, ToolCallDelta):
            yield replace(first, text=piece)
        elif begins:
            yield replace(first, arguments=piece)
        else:
            yield replace(first, id=None, name=None, arguments=piece)
        begins = False


def _slot(piece: Piece) -> tuple[type[Piece], int, int | None]:
    """Which of the texts of a reply a piece belongs to."""
    index = piece.index if isinstance(piece, ToolCallDelta) else None
    return type(piece), piece.choice, index
