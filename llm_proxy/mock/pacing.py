"""Pacing: a wrapper that puts time between the events of a reply.

Time is data here: the wrapper adds `Pause` events, and the shell lives through them.
"""

import random
from collections.abc import Iterator
from contextlib import closing

from msgspec import Struct

from llm_proxy.reply import (
    ASIDES,
    Event,
    Events,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from llm_proxy.tokenizers import Characters


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
    chance = random.Random(seed)

    def delay(seconds: float) -> Pause:
        return Pause(seconds * (1 + pace.jitter * chance.uniform(-1, 1)))

    with closing(events):
        begun = False
        for event in events:
            if isinstance(event, ASIDES):
                yield event
                continue
            if begun and pace.tokens_per_second and (length := _length(event)):
                yield delay(-(-length // Characters.per_token) / pace.tokens_per_second)
            elif not begun and pace.ttft_seconds:
                yield delay(pace.ttft_seconds)
            begun = True
            yield event


def delayed(events: Events, delays: Iterator[float]) -> Events:
    """Put the next of `delays`, in seconds, before each event."""
    with closing(events):
        for event in events:
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
