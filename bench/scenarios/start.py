"""The start: seconds from the command to the first answer."""

import time

from bench import contenders as who
from bench.processes import StartError, started
from bench.run import ANY_REQUEST, Run

MEASURE = "Start"
CONTENDERS = (
    who.app("bare WSGI", "bare"),
    who.ours(),
    who.ours_granian(),
    who.aimock("any"),
)


def measure(run: Run) -> None:
    """Wall time, on any core: the only figure that a busy machine makes larger."""
    present = []
    for contender in CONTENDERS:
        if missing := contender.missing():
            run.results.skip(MEASURE, contender.name, missing)
        else:
            present.append(contender)
    for _ in range(run.rounds):
        for contender in present:
            began = time.monotonic()
            with started(contender) as server:
                try:
                    server.await_answer(ANY_REQUEST)
                except StartError as error:
                    run.results.skip(MEASURE, contender.name, str(error))
                else:
                    run.results.add(MEASURE, contender.name, "s", [time.monotonic() - began])
