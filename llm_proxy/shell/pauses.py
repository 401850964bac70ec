"""Pauses: data until here, lived through from here on.

Time is a `Clock`. Knows nothing of what is said between them.
"""

from collections.abc import Generator
from contextlib import closing

from msgspec import Struct

from llm_proxy.core.reply import ASIDES, IDLE, Event, Events, Pause, TextRun
from llm_proxy.shell.clock import Clock

MAX_RUN = 64
"""Pieces that come together at most: as many chunks as are usually sent in one write."""


class Waiting(Struct, frozen=True):
    """Time is about to pass: whatever is held back has to go out first."""


WAITING = Waiting()

Lived = Generator[Event | Waiting, None, None]


def lived(events: Events, clock: Clock, silence_seconds: float = 0.0) -> Lived:
    """Live through the pauses and yield the other events, each when it is due.

    Pauses add up from event to event, so that one that ends late does not delay the next, and
    is not waited for where that was too late already. Of a run those pieces come together that
    are due, at most `MAX_RUN`; the first one of a reply by itself, so that it is not held up by
    what is made of the others. `WAITING` comes before each wait. `IDLE` is yielded whenever
    nothing else has been for `silence_seconds` (0: never), but for the pauses that are silent.

    Raises:
        ClientGone: the client left during a pause.
    """
    due = spoke = clock.now()
    most = 1

    def until_due() -> Lived:
        nonlocal spoke
        yield WAITING
        while True:
            until = min(due, spoke + silence_seconds) if silence_seconds else due
            clock.wait(until - clock.now())
            if silence_seconds and clock.now() >= spoke + silence_seconds:
                yield IDLE
                spoke = clock.now()
            if clock.now() >= due:
                return

    with closing(events):
        for event in events:
            match event:
                case TextRun(pieces, choice, delays):
                    begun = 0
                    for at, delay in enumerate(delays):
                        due += delay
                        waits = due > clock.now()
                        if begun < at and (waits or at - begun == most):
                            yield TextRun(pieces[begun:at], choice)
                            begun, most, spoke = at, MAX_RUN, clock.now()
                        if waits and silence_seconds and due >= spoke + silence_seconds:
                            yield from until_due()
                        elif waits:
                            yield WAITING
                            clock.wait(due - clock.now())
                    while len(pieces) - begun > most:
                        yield TextRun(pieces[begun : begun + most], choice)
                        begun, most = begun + most, MAX_RUN
                    yield TextRun(pieces[begun:], choice) if begun or delays else event
                case Pause(0.0):  # the source has nothing: a turn to look after the client
                    due = clock.now()
                    yield from until_due()
                    continue
                case Pause(seconds, silent):
                    due += seconds
                    if silent:
                        yield WAITING
                        clock.wait(due - clock.now())
                        spoke = clock.now()
                    elif due > clock.now():
                        yield from until_due()
                    continue
                case _:
                    yield event
            if most == 1 and not isinstance(event, ASIDES):
                most = MAX_RUN
            if silence_seconds:
                spoke = clock.now()


def waited(events: Events, clock: Clock) -> Events:
    """The other events of a reply that is wanted at its end only: it takes as long, all in all.

    Raises:
        ClientGone: the client left during a pause.
    """
    due = clock.now()
    with closing(events):
        for event in events:
            if isinstance(event, Pause):
                due = due + event.seconds if event.seconds else clock.now()
                clock.wait(due - clock.now())
                continue
            if isinstance(event, TextRun) and event.delays:
                due += sum(event.delays)
                clock.wait(due - clock.now())
            yield event
