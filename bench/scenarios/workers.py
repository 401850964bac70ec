"""Two worker processes: whether they carry twice the streams of one.

Measured by processor time, as two cores have no room for two workers and a client: what two
workers can carry, given a core each, is twice what one can, times what a chunk costs one of
them, divided by what it costs two that serve twice as many.
"""

from bench import contenders as who
from bench.goals import OURS
from bench.run import FAILURES, Run, servers
from bench.scenarios.paced import PACE, ROUNDS, Timed

MEASURE = "Two workers"
STREAMS = 200


def measure(run: Run) -> None:
    """How much more two workers carry than one."""
    contenders = [who.ours_many(**PACE, WEB_CONCURRENCY=workers) for workers in ("1", "2")]
    with servers(run, {MEASURE: "x"}, contenders) as running:
        if len(running) < len(contenders):
            return
        alone, both = running
        rounds, uncounted = (1, 0) if run.quick else (ROUNDS, 1)
        for number in range(uncounted + rounds):
            try:
                one = Timed(alone, STREAMS).chunk_microseconds
                two = Timed(both, 2 * STREAMS).chunk_microseconds
            except FAILURES as error:
                run.results.skip(MEASURE, OURS, str(error))
                return
            if number >= uncounted:
                run.results.add(MEASURE, OURS, "x", [2 * one / two])
