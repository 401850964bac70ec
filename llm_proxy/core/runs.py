"""Runs: what a source has at one moment, taken apart for those who look at each piece by itself."""

from collections.abc import Generator, Iterable
from itertools import repeat

from llm_proxy.core.reply import Aside, Event, Pause, Said, TextDelta, TextRun


def singly(events: Iterable[Event]) -> Generator[Said | Aside, None, None]:
    """The same reply with a delta for each piece of a run, and pauses for its delays.

    Whoever has made `events` closes them.
    """
    for event in events:
        if isinstance(event, TextRun):
            for piece, delay in zip(event.pieces, event.delays or repeat(0.0)):  # noqa: B905
                if delay:
                    yield Pause(delay)
                yield TextDelta(piece, event.choice)
        else:
            yield event
