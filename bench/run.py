"""A run: how long and how often things are measured, on which cores, and what came of it."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from msgspec import Struct, field

from bench.contenders import Contender
from bench.documents import PATH, question
from bench.goals import GOALS
from bench.load import LoadError
from bench.machine import Cores
from bench.processes import Server, StartError, started
from bench.results import Results
from bench.timing import TimingError
from bench.wire import post

ANY_REQUEST = post(PATH, question())

FAILURES = (LoadError, StartError, TimingError, OSError)
"""What happens to one contender and is no reason to stop measuring the others."""


class Run(Struct, kw_only=True):
    """What every scenario is given.

    `rounds` is how often each contender has its turn, `block_seconds` how long a turn takes
    where it is not the contender that sets its length. `scale` shrinks what is counted
    instead, such as calls. A `quick` run leaves out whoever no goal names.
    """

    cores: Cores
    rounds: int
    block_seconds: float
    scale: float
    quick: bool
    deadline: float
    results: Results = field(default_factory=Results)

    def scaled(self, count: int) -> int:
        """So many of something, or fewer in a short run."""
        return max(round(count * self.scale), 1)


Turn = Callable[[Server], Mapping[str, float]]
"""What a contender does in one round: by measure, one sample."""


def contest(
    run: Run,
    units: Mapping[str, str],
    contenders: Sequence[Contender],
    turn: Turn,
    *,
    rounds: int | None = None,
    uncounted: int = 1,
    pinned: bool = True,
    starts: int = 1,
) -> None:
    """Let all contenders take turns, so that what disturbs the machine disturbs all alike.

    They are on the server's core, if they are to be `pinned`, or on any.
    `units` has the unit of each measure that a turn brings. The first turns of each are
    `uncounted`. Who is not installed, or fails, is left out with the reason.

    Processes that are started alike differ by a tenth for as long as they run. Where less than
    that matters, the rounds are spread over several `starts`, in a run that is not quick.
    """
    starts = 1 if run.quick else starts
    for _ in range(starts):
        _rounds(
            run, units, contenders, turn, -(-(rounds or run.rounds) // starts), uncounted, pinned
        )


def _rounds(
    run: Run,
    units: Mapping[str, str],
    contenders: Sequence[Contender],
    turn: Turn,
    rounds: int,
    uncounted: int,
    pinned: bool,
) -> None:
    """The rounds of one start of all contenders."""
    with servers(run, units, contenders, pinned=pinned) as running:
        for number in range(uncounted + rounds):
            for server in tuple(running):
                try:
                    samples = turn(server)
                except FAILURES as error:
                    _skip(run, units, server.name, str(error))
                    running.remove(server)
                    continue
                if number >= uncounted:
                    for measure, sample in samples.items():
                        run.results.add(measure, server.name, units[measure], [sample])


@contextmanager
def servers(
    run: Run, units: Mapping[str, str], contenders: Sequence[Contender], *, pinned: bool = True
) -> Iterator[list[Server]]:
    """Run all contenders, on the server's core; those that do not come up are left out."""
    with ExitStack() as stack:
        begun: list[Server] = []
        for contender in contenders:
            if run.quick and not named(contender.name, units):
                _skip(run, units, contender.name, "is left out of a quick run")
            elif missing := contender.missing():
                _skip(run, units, contender.name, missing)
            else:
                begun.append(stack.enter_context(started(contender)))
        running: list[Server] = []
        for server in begun:
            try:
                server.await_answer(ANY_REQUEST)
            except StartError as error:
                _skip(run, units, server.name, str(error))
            else:
                if pinned:
                    server.pin(run.cores.server)
                running.append(server)
        yield running


def named(contender: str, measures: Iterable[str]) -> bool:
    """Whether a goal names one of these measures of a contender."""
    keys = {key for goal in GOALS for key in (goal.figure, goal.over)}
    return any((measure, contender) in keys for measure in measures)


def over(run: Run) -> bool:
    """Whether the time for all scenarios is used up."""
    return time.monotonic() > run.deadline


def _skip(run: Run, measures: Mapping[str, str], contender: str, reason: str) -> None:
    for measure in measures:
        run.results.skip(measure, contender, reason)
