"""The scenarios: what is measured, in the order in which it is."""

from collections.abc import Callable, Mapping

from bench.run import Run
from bench.scenarios import (
    adapter,
    cost,
    growth,
    in_process,
    json_reply,
    memory,
    paced,
    start,
    unpaced,
    workers,
)

Scenario = Callable[[Run], None]

SCENARIOS: Mapping[str, Scenario] = {
    "json": json_reply.measure,
    "fresh": json_reply.measure_fresh,
    "unpinned": json_reply.measure_unpinned,
    "in-process": in_process.measure,
    "unpaced": unpaced.measure,
    "separate": unpaced.measure_separate,
    "paced": paced.measure,
    "workers": workers.measure,
    "adapter": adapter.measure,
    "adapter-separate": adapter.measure_separate,
    "adapter-latency": adapter.measure_latency,
    "memory": memory.measure,
    "start": start.measure,
    "growth": growth.measure,
    "cost": cost.measure,
}
