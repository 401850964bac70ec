"""The picture of a reply in time: when it began, each of its events, and its gaps.

Geometry only: from the times of events to numbers that a template writes into an SVG. What
goes from left to right is in percent, so that the picture has any width and its letters one
size; heights are shares from 0 to 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

COLUMNS = 400
"""So many events can be told apart; of more, those that fall together make one bar."""

MOST_GAPS = 3
GAP_SHARE = 0.04
GAP_MEDIANS = 4.0
"""A gap is marked that takes this share of the whole time and so many times the usual."""

MOST_MARKS = 6


@dataclass(frozen=True)
class At:
    """An event: milliseconds since the request came, what it was, its characters."""

    ms: float
    kind: str
    characters: int


@dataclass(frozen=True)
class Bar:
    """The events that fall on one place; `title` tells of them."""

    x: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True)
class Span:
    """A time in which nothing was said."""

    x: float
    width: float
    ms: float


@dataclass(frozen=True)
class Mark:
    """A place on the axis; the last one's letters stand before it."""

    x: float
    text: str


@dataclass(frozen=True)
class Picture:
    """All of it. `first` is where the first event is; None for an answer that came at once.

    `end` is the whole time, in milliseconds.
    """

    first: float | None
    end: float
    bars: Sequence[Bar]
    gaps: Sequence[Span]
    marks: Sequence[Mark]
    summary: str


def picture(events: Sequence[At], total_ms: float) -> Picture:
    """The picture of `events`, in the order in which they came, of an exchange."""
    end = max([total_ms, *(event.ms for event in events)]) or 1.0
    said = [event for event in events if event.kind != "finish"] or list(events)
    return Picture(
        first=_percent(said[0].ms, end) if said else None,
        end=end,
        bars=_bars(said, end),
        gaps=[Span(_percent(a, end), _percent(b - a, end), b - a) for a, b in _gaps(said, end)],
        marks=_marks(end),
        summary=_summary(said, end),
    )


def written(ms: float) -> str:
    """A time as people write it, with as many digits as matter."""
    if ms < 10:
        return f"{ms:.1f} ms" if round(ms, 1) % 1 else f"{ms:.0f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.2f} s" if ms < 10_000 else f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s"


def _bars(said: Sequence[At], end: float) -> list[Bar]:
    columns: dict[tuple[int, str], list[At]] = {}
    for event in said:
        columns.setdefault((round(event.ms / end * COLUMNS), event.kind), []).append(event)
    sizes = {key: sum(one.characters for one in group) for key, group in columns.items()}
    most = max(sizes.values(), default=0) or 1
    return [
        Bar(
            x=round(column / COLUMNS * 100, 2),
            height=round(0.25 + 0.75 * math.sqrt(sizes[column, kind] / most), 3),
            kind=kind,
            title=_title(group, kind, sizes[column, kind]),
        )
        for (column, kind), group in columns.items()
    ]


def _title(group: Sequence[At], kind: str, characters: int) -> str:
    when = written(group[0].ms)
    if len(group) > 1:
        when = f"{when} to {written(group[-1].ms)}, {len(group)} events"
    return f"{when}: {kind}, {characters} characters"


def _gaps(said: Sequence[At], end: float) -> list[tuple[float, float]]:
    """From when to when, the longest ones, in their order."""
    between = [(a.ms, b.ms) for a, b in pairwise(said)]
    if not between:
        return []
    usual = median(b - a for a, b in between)
    least = max(usual * GAP_MEDIANS, end * GAP_SHARE)
    long = sorted((gap for gap in between if gap[1] - gap[0] >= least), key=lambda g: g[0] - g[1])
    return sorted(long[:MOST_GAPS])


def _marks(end: float) -> list[Mark]:
    rough = end / MOST_MARKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)
    count = int(end / step + 1e-9)
    return [
        Mark(_percent(step * n, end), written(step * n) if n else "0") for n in range(count + 1)
    ]


def _summary(said: Sequence[At], end: float) -> str:
    if not said:
        return f"The answer came as a whole, after {written(end)}."
    told = [f"First event after {written(said[0].ms)}, {len(said)} events in {written(end)}."]
    gaps = [(b.ms - a.ms, number) for number, (a, b) in enumerate(pairwise(said), 1)]
    if gaps:
        longest, number = max(gaps, key=lambda gap: gap[0])
        usual = median(gap for gap, _ in gaps)
        told.append(
            f"Between two events usually {written(usual)}, "
            f"at most {written(longest)}, after event {number}."
        )
    return " ".join(told)


def _percent(ms: float, end: float) -> float:
    return round(ms / end * 100, 2)
