"""Many paced streams at once: how late their chunks are, and what they cost."""

from collections.abc import Mapping
from statistics import median

from bench import contenders as who
from bench.contenders import MANY_STREAMS
from bench.documents import INTERVAL_SECONDS, PACED_CHUNKS, PATH, question, text
from bench.load import streams
from bench.processes import Server
from bench.results import percentile
from bench.run import Run, contest
from bench.timing import event_times, lateness_ms, stretch
from bench.wire import post

ROUNDS = 3
PATIENCE_SECONDS = 30.0
DEFAULT, MANY, MOST = 250, 800, 1000

PACE = {"MOCK_REPLY": "echo", "MOCK_TOKENS_PER_SECOND": f"{1 / INTERVAL_SECONDS:g}"}
_SLEEPS = {
    "BENCH_INTERVAL_SECONDS": str(INTERVAL_SECONDS),
    "BENCH_CHUNKS": str(PACED_CHUNKS),
}


def measure(run: Run) -> None:
    """250 streams by the default command; 800 and 1,000 by the one for many streams."""
    aimock = who.aimock(
        text(PACED_CHUNKS),
        *("--chunk-size", "4"),
        *("--latency", f"{INTERVAL_SECONDS * 1000:g}"),
    )
    flask = who.app("Flask route", "flask_route", **_SLEEPS)
    flask_many = who.app("Flask route", "flask_route", *MANY_STREAMS, **_SLEEPS)
    many = who.ours_many(**PACE)
    _contest(run, DEFAULT, who.ours(**PACE), aimock, flask)
    if not run.quick:
        _contest(run, MANY, many, aimock, flask_many)
    _contest(run, MOST, many)


def _contest(run: Run, count: int, *contenders: who.Contender) -> None:
    parts = ("first chunk", "p50 lateness", "p99 lateness", "whole", "chunk")
    first, late, latest, whole, cost = (f"{count} streams: {what}" for what in parts)

    def turn(server: Server) -> Mapping[str, float]:
        timed = Timed(server, count)
        return {
            first: percentile(timed.first_ms, 99),
            late: percentile(timed.lateness_ms, 50),
            latest: percentile(timed.lateness_ms, 99),
            whole: timed.stretch,
            cost: timed.chunk_microseconds,
        }

    units = {first: "ms", late: "ms", latest: "ms", whole: "x", cost: "µs/chunk"}
    rounds, uncounted = (1, 0) if run.quick else (ROUNDS, 1)
    contest(run, units, contenders, turn, rounds=rounds, uncounted=uncounted)


class Timed:
    """So many paced streams of one server at once, and how they went."""

    def __init__(self, server: Server, count: int) -> None:
        request = post(PATH, question(text(PACED_CHUNKS), stream=True))
        before = server.cpu_seconds()
        found = streams(server.port, request, count, PATIENCE_SECONDS)
        used = server.cpu_seconds() - before
        # The last piece of a text may come together with what is left of the stream.
        times = [event_times(one, server.contender.lead, PACED_CHUNKS - 1) for one in found]
        # Streams that are asked for at once begin one after the other: how late the last ones do.
        self.first_ms = [
            (seen[0] - one.asked) * 1000 for seen, one in zip(times, found, strict=True)
        ]
        self.lateness_ms = [late for one in times for late in lateness_ms(one, INTERVAL_SECONDS)]
        self.stretch = median(stretch(one, INTERVAL_SECONDS) for one in times)
        self.chunk_microseconds = used / (count * PACED_CHUNKS) * 1e6
