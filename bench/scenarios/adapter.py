"""The adapter: what an event of the legacy API costs, and how much later it arrives."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from bench import contenders as who
from bench.documents import PATH, question
from bench.load import Stream, streams
from bench.processes import Server, running
from bench.results import percentile
from bench.run import Run, contest
from bench.scenarios.json_reply import microseconds
from bench.timing import delays_ms, event_times
from bench.wire import get, post

EVENTS = 200
SEPARATE_SECONDS = 0.005
"""As far apart come the events that each come by themselves."""

CONNECTIONS = 4
SEPARATE_STREAMS = 16
PATIENCE_SECONDS = 30.0

PACED_EVENTS = 20
INTERVAL_SECONDS = 0.02
FEW, MANY = 4, 150
ROUNDS = 5

ADDED, FIRST = "Adapter: added p50", "Adapter: added to the first"
MANY_LATE = f"{MANY} adapted streams: p99"
FORMS = {"json": "Adapter, JSON", "literal": "Adapter, literals"}
SEPARATE = "Adapter, JSON, one by one"


def measure(run: Run) -> None:
    """Processor time for each event, with either form of payload."""
    request = post(PATH, question(stream=True))
    for form, measured in FORMS.items():

        def turn(server: Server, measured: str = measured) -> Mapping[str, float]:
            [proof] = streams(server.port, request, 1, PATIENCE_SECONDS)
            event_times(proof, 0, EVENTS)
            whole = microseconds(server, request, CONNECTIONS, run.block_seconds)
            return {measured: whole / EVENTS}

        with _upstream(run) as port:
            contenders = _contenders(port, _path(form, EVENTS))
            if form == "json":
                contenders = (*contenders, _litellm(port))
            contest(run, {measured: "µs/event"}, contenders, turn)


def measure_separate(run: Run) -> None:
    """The same where each event comes by itself, so that nothing is saved by taking many."""
    request = post(PATH, question(stream=True))

    def turn(server: Server) -> Mapping[str, float]:
        before = server.cpu_seconds()
        streams(server.port, request, SEPARATE_STREAMS, PATIENCE_SECONDS)
        used = server.cpu_seconds() - before
        return {SEPARATE: used / (SEPARATE_STREAMS * EVENTS) * 1e6}

    path = _path("json", EVENTS) + f"&interval={SEPARATE_SECONDS}"
    with _upstream(run) as port:
        contest(run, {SEPARATE: "µs/event"}, _contenders(port, path), turn)


def measure_latency(run: Run) -> None:
    """How much later than without an adapter events arrive, of one stream and of many."""
    request = post(PATH, question(stream=True))
    path = _path("json", PACED_EVENTS) + f"&interval={INTERVAL_SECONDS}"
    with _upstream(run) as port:

        def turn(server: Server) -> Mapping[str, float]:
            direct = _one_by_one(port, get(path))
            adapted = _one_by_one(server.port, request)
            many = streams(server.port, request, MANY, PATIENCE_SECONDS)
            return {
                ADDED: percentile(_delays(adapted), 50) - percentile(_delays(direct), 50),
                FIRST: _first_ms(adapted) - _first_ms(direct),
                MANY_LATE: percentile(_delays(many), 99),
            }

        units = {ADDED: "ms", FIRST: "ms", MANY_LATE: "ms"}
        contenders = _contenders(port, path)
        rounds = 1 if run.quick else ROUNDS
        contest(run, units, contenders, turn, rounds=rounds, starts=3)


def _path(form: str, events: int) -> str:
    return f"/stream?form={form}&events={events}"


@contextmanager
def _upstream(run: Run) -> Iterator[int]:
    """The port of an upstream, which runs on the client's core."""
    command = (sys.executable, "-m", "bench.upstream", "@PORT@")
    with running(who.Contender(name="upstream", command=command), run.cores.client) as server:
        yield server.port


def _contenders(port: int, path: str) -> tuple[who.Contender, ...]:
    asked = {"STREAM_URL": f"http://127.0.0.1:{port}{path}"}
    return (
        who.app("requests + sseclient-py", "naive_adapter", **asked),
        who.app_uvicorn(
            "Starlette + httpx-sse", "starlette_adapter", "starlette", "httpx_sse", **asked
        ),
        who.ours(LLM_PROXY_V1="adapter", **asked),
    )


def _litellm(port: int) -> who.Contender:
    """It is large, so it is measured where somebody has installed it."""
    origin = f"http://127.0.0.1:{port}"
    modules = ("starlette", "litellm")
    return who.app_uvicorn("LiteLLM", "litellm_adapter", *modules, STREAM_ORIGIN=origin)


def _one_by_one(port: int, request: bytes) -> list[Stream]:
    """A few streams, each by itself, as one person asks."""
    return [streams(port, request, 1, PATIENCE_SECONDS)[0] for _ in range(FEW)]


def _delays(timed: list[Stream]) -> list[float]:
    return [delay for stream in timed for delay in delays_ms(stream)]


def _first_ms(timed: list[Stream]) -> float:
    return median((event_times(stream, 0, 1)[0] - stream.asked) * 1000 for stream in timed)
