"""What a server tells at `/metrics`, as Prometheus understands it."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.servers import PATIENCE_SECONDS, Server


class Sample(NamedTuple):
    """One number, and what it is of."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str, name: str) -> list[Sample]:
    """All samples of that name."""
    return [
        Sample(sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    ]


def value(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of that name that have these labels, and maybe others."""
    return sum(
        sample.value for sample in samples(text, name) if labels.items() <= sample.labels.items()
    )


def scrape(server: Server) -> str:
    """What whichever worker is asked tells of all of them."""
    answer = server.request("GET", "/metrics")
    assert answer.status_code == 200
    return answer.text


def eventually(seen: Callable[[], object], expected: object) -> None:
    """Wait until that is seen: an exchange is counted when its answer is out, and not before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (last := seen()) != expected:
        assert time.monotonic() < deadline, f"{last!r} is not {expected!r}"
        time.sleep(0.02)
