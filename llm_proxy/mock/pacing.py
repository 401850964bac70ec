"""Pacing: a wrapper that puts time between the events of a reply.

Time is data here: the wrapper adds `Pause` events, and the shell lives through them.
"""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import lru_cache, partial

from msgspec import Struct

from llm_proxy.core.reply import (
    ASIDES,
    Event,
    Events,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TextRun,
    ToolCallDelta,
)
from llm_proxy.core.runs import singly
from llm_proxy.core.tokenizers import Characters


class Pace(Struct, frozen=True, kw_only=True):
    """How fast a reply comes: seconds to the first token, then tokens per second (0: at once).

    Each delay is stretched or shortened by a random share of at most `jitter`.
    """

    ttft_seconds: float = 0.0
    tokens_per_second: float = 0.0
    jitter: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.ttft_seconds or self.tokens_per_second)


def paced(events: Events, pace: Pace, seed: int) -> Events:
    """Put a pause before the first event, and before each later one as long as it is in tokens.

    The same `seed` gives the same delays.
    """
    delay = _delays(pace, seed)
    with closing(events):
        for event in events:
            if isinstance(event, ASIDES):
                yield event
            elif isinstance(event, TextRun):
                delays = tuple([delay(len(piece)) for piece in event.pieces])
                yield TextRun(event.pieces, event.choice, delays)
            else:
                if seconds := delay(_length(event)):
                    yield Pause(seconds)
                yield event


def _delays(pace: Pace, seed: int) -> Callable[[int], float]:
    """The seconds before each event, which has so many characters; the first has another rule."""
    # One number for all that are as long: there are as many as pieces in all streams at once.
    steady = lru_cache(maxsize=64)(partial(_seconds, pace.tokens_per_second or math.inf))
    # Only then made: it holds as much as all the rest of a stream.
    chance = random.Random(seed) if pace.jitter else None
    first: float | None = pace.ttft_seconds

    def delay(characters: int) -> float:
        nonlocal first
        seconds = steady(characters) if first is None else first
        first = None
        if seconds and chance is not None:
            seconds *= 1 + pace.jitter * chance.uniform(-1, 1)
        return seconds

    return delay


def _seconds(per_second: float, characters: int) -> float:
    return -(-characters // Characters.per_token) / per_second


def delayed(events: Events, delays: Iterator[float]) -> Events:
    """Put the next of `delays`, in seconds, before each event."""
    with closing(events):
        for event in singly(events):
            if not isinstance(event, ASIDES) and (seconds := next(delays)):
                yield Pause(seconds)
            yield event


def _length(event: Event) -> int:
    """Characters that a model would have had to write for the event."""
    match event:
        case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text):
            return len(text)
        case ToolCallDelta():
            return len(event.name or "") + len(event.arguments)
        case _:
            return 0
