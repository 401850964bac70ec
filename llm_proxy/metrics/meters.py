"""The meters: which metrics there are, and what of an exchange goes into each.

Imports prometheus-client, which decides as it is imported whether it counts for one process
or for several: `counted` imports this module when that is known.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Metric, values
from prometheus_client import Counter as Count
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import MultiProcessValue

from llm_proxy.core.reply import Fact
from llm_proxy.metrics.ended import Ended
from llm_proxy.metrics.histogram import BulkHistogram
from llm_proxy.metrics.labels import Bounded, status_class
from llm_proxy.metrics.place import FOLDER, SEAT

WHOLE_SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
)
"""The buckets of what a client waits for."""

GAP_SECONDS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""The buckets of what passes between two chunks."""

NOT_ASKED = ("upstream_busy", "upstream_down")
"""How a question ends that never was put to the upstream."""

NO_FAILURE = ("done", "left")


class Meters:
    """All metrics of one application, for one process or, as this one of them, for several."""

    def __init__(self, models: Iterable[str], redacted: Callable[[str], str]) -> None:
        self._model = Bounded(models, redacted)
        self._folder = os.environ.get(FOLDER)
        if self._folder is not None and SEAT in os.environ:
            # In place of the process id: files of a new one for each that dies would never end.
            seat = os.environ[SEAT]
            values.ValueClass = MultiProcessValue(lambda: seat)  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._requests = Count(
            "llm_proxy_requests",
            "Requests that are over.",
            ("method", "route", "model", "status", "outcome"),
            registry=registry,
        )
        self._duration = BulkHistogram(
            "llm_proxy_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ("route", "stream"),
            buckets=WHOLE_SECONDS,
            registry=registry,
        )
        self._first = BulkHistogram(
            "llm_proxy_time_to_first_token_seconds",
            "Time from a request to the first piece of its reply, in streams.",
            ("route", "model"),
            buckets=WHOLE_SECONDS,
            registry=registry,
        )
        self._gaps = BulkHistogram(
            "llm_proxy_inter_chunk_seconds",
            "Time between two pieces of a reply, in streams.",
            ("route", "model"),
            buckets=GAP_SECONDS,
            registry=registry,
        )
        self._tokens = Count(
            "llm_proxy_tokens",
            "Tokens of prompts and completions.",
            ("route", "model", "kind"),
            registry=registry,
        )
        self._open = Gauge(
            "llm_proxy_streams_open",
            "Streams that are not over.",
            ("route",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._calls = Count(
            "llm_proxy_upstream_calls",
            "Questions that were put to the legacy search API, by the status of the answer.",
            ("upstream", "status"),
            registry=registry,
        )
        self._failures = Count(
            "llm_proxy_upstream_failures",
            "Questions that the legacy search API left unanswered, or was not asked, by error.",
            ("upstream", "code"),
            registry=registry,
        )
        self._breakers = Gauge(
            "llm_proxy_upstream_breakers_open",
            "Workers that leave the legacy search API alone, as it has failed too often.",
            ("upstream",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._fixtures = Count(
            "llm_proxy_fixtures",
            "Requests for which fixtures were looked through, by result.",
            ("result",),
            registry=registry,
        )

    def streams(self, routes: Iterable[str]) -> None:
        """Count a stream at each of the routes as open."""
        for where, count in Counter(routes).items():
            self._open.labels(where).inc(count)

    def ended(self, exchanges: Iterable[Ended]) -> None:
        """Count exchanges that are over: those that are alike together, as each count costs."""
        seconds: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        tokens: Counter[tuple[str, ...]] = Counter()
        streams: defaultdict[tuple[str, str], list[Ended]] = defaultdict(list)
        for one in exchanges:
            where, model = one.route, self._model(one.model)
            stream = "true" if one.stream else "false"
            seconds[stream, one.method, where, model, str(one.status), one.outcome].append(
                one.seconds
            )
            if one.stream:
                streams[where, model].append(one)
            if one.usage is not None:
                tokens[where, model, "prompt"] += one.usage.prompt_tokens
                tokens[where, model, "completion"] += one.usage.completion_tokens
            for facts in one.notes:
                self._noted(facts)
        for (stream, *named), lasted in seconds.items():
            self._requests.labels(*named).inc(len(lasted))
            self._duration.labels(named[1], stream).observe_all(lasted)
        for what, count in tokens.items():
            self._tokens.labels(*what).inc(count)
        for (where, model), over in streams.items():
            self._open.labels(where).dec(len(over))
            if firsts := [one.first for one in over if one.first is not None]:
                self._first.labels(where, model).observe_all(firsts)
            between = chain.from_iterable(one.gaps for one in over)
            together = sum(one.together for one in over)
            self._gaps.labels(where, model).observe_all(between, together)

    def exposed(self, accepted: str) -> tuple[bytes, str]:
        """All metrics as text in the form that `accepted` prefers, and its media type."""
        registry = self._registry
        if self._folder is not None:
            registry = CollectorRegistry()
            registry.register(_Workers(self._folder))
        encoded, content_type = choose_encoder(accepted)
        return encoded(registry), content_type

    def _noted(self, facts: Mapping[str, Fact]) -> None:
        if "fixture" in facts:
            self._fixtures.labels(str(facts["fixture"])).inc()
        if "upstream_end" not in facts:
            return
        upstream = str(facts.get("upstream_model", ""))
        end, status = str(facts["upstream_end"]), facts.get("upstream_status")
        if end not in NOT_ASKED:
            self._calls.labels(upstream, status_class(status)).inc()
        if end not in NO_FAILURE:
            self._failures.labels(upstream, end).inc()
        # As the breaker sees it: an answer that is not of a server that has failed shows life.
        if facts.get("upstream_breaker") == "open" or end == "upstream_down":
            self._breakers.labels(upstream).set(1)
        elif isinstance(status, int) and status < 500:
            self._breakers.labels(upstream).set(0)


class _Workers(Collector):
    """The sums of what all workers have written down, dead ones included."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def collect(self) -> Iterable[Metric]:
        # A file that has just been made is empty, which prometheus-client cannot read.
        files = [str(file) for file in self._folder.glob("*.db") if _has_content(file)]
        return MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call,no-any-return]


def _has_content(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:  # of a worker that has just died
        return False
