"""Timing: when each event of a stream came, and how late that is.

Pure: arrivals in, milliseconds out.
"""

import re
from collections.abc import Sequence
from itertools import accumulate

from bench.load import Stream

_STAMP = re.compile(rb"""["' ](\d{10,})["']""")


class TimingError(ValueError):
    """A stream has not the events that it should have."""


def event_times(stream: Stream, lead: int, count: int) -> list[float]:
    """When `count` events were complete, behind the first `lead` ones.

    Raises:
        TimingError: there are fewer.
    """
    times = [time for time, _ in _events(stream)][lead : lead + count]
    if len(times) < count:
        raise TimingError(f"A stream has {len(times)} events behind {lead}, not {count}.")
    return times


def lateness_ms(times: Sequence[float], interval_seconds: float) -> list[float]:
    """How late each event is on its schedule, start + number x interval.

    The start is the earliest that no event is ahead of, so that a late first event does not
    excuse the others.
    """
    apart = [time - number * interval_seconds for number, time in enumerate(times)]
    start = min(apart)
    return [(time - start) * 1000 for time in apart]


def stretch(times: Sequence[float], interval_seconds: float) -> float:
    """How long the whole took, as a multiple of what it should have taken."""
    return (times[-1] - times[0]) / ((len(times) - 1) * interval_seconds)


def delays_ms(stream: Stream) -> list[float]:
    """How long after it was sent each event came, by the time of sending that is its text.

    Both sides read the same clock, `time.monotonic`.
    """
    return [
        (time - int(stamp[1]) / 1e9) * 1000
        for time, event in _events(stream)
        if (stamp := _STAMP.search(event))
    ]


def _events(stream: Stream) -> list[tuple[float, bytes]]:
    """Each event with the time at which its last byte came."""
    whole = b"".join(piece for _, piece in stream.arrivals)
    ends = list(accumulate(len(piece) for _, piece in stream.arrivals))
    found: list[tuple[float, bytes]] = []
    piece = 0
    start = whole.find(b"\r\n\r\n") + 4
    while (blank := whole.find(b"\n\n", start)) >= 0:
        end = blank + 2
        while ends[piece] < end:
            piece += 1
        found.append((stream.arrivals[piece][0], whole[start:end]))
        start = end
    return found
