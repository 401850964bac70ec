"""A stream of many chunks: what a chunk costs, sent at once or each by itself."""

from collections.abc import Mapping

from bench import contenders as who
from bench.documents import CHUNKS, PATH, question, text
from bench.goals import UNRECORDED
from bench.load import streams
from bench.processes import Server
from bench.run import Run, contest
from bench.scenarios.json_reply import microseconds
from bench.timing import event_times
from bench.wire import post

AT_ONCE = "Unpaced stream"
SEPARATE = "One write per chunk"
CONNECTIONS = 4
PATIENCE_SECONDS = 30.0

SEPARATE_STREAMS = 32
SEPARATE_SECONDS = 0.005
"""Far enough apart that no chunk is due together with the next."""

_ECHO = {"MOCK_REPLY": "echo"}


def measure(run: Run) -> None:
    """Processor time for each chunk of a stream that nothing holds up."""
    contenders = (
        who.app("bare WSGI", "bare"),
        who.app("Flask route", "flask_route"),
        who.app_uvicorn("FastAPI, uvicorn", "fastapi_route", "fastapi"),
        who.ours(**_ECHO),
        who.aimock(text(CHUNKS), "--chunk-size", "4"),
        who.fakellm(text(CHUNKS)),
        who.llmock("echo"),
    )
    request = post(PATH, question(text(CHUNKS), stream=True))

    def turn(server: Server) -> Mapping[str, float]:
        [proof] = streams(server.port, request, 1, PATIENCE_SECONDS)
        event_times(proof, server.contender.lead, CHUNKS - 1)
        whole = microseconds(server, request, CONNECTIONS, run.block_seconds)
        return {AT_ONCE: whole / CHUNKS}

    contest(run, {AT_ONCE: "µs/chunk"}, contenders, turn)


def measure_separate(run: Run) -> None:
    """The same where each chunk is due by itself, and so is one write."""
    pace = {"MOCK_TOKENS_PER_SECOND": f"{1 / SEPARATE_SECONDS:g}"}
    contenders = (
        who.app("bare WSGI", "bare", BENCH_INTERVAL_SECONDS=str(SEPARATE_SECONDS)),
        who.app("Flask route", "flask_route", BENCH_INTERVAL_SECONDS=str(SEPARATE_SECONDS)),
        who.ours(**_ECHO, **pace),
        who.app(UNRECORDED, "unrecorded", LLM_PROXY_JOURNAL="off", **_ECHO, **pace),
    )
    request = post(PATH, question(text(CHUNKS), stream=True))

    def turn(server: Server) -> Mapping[str, float]:
        before = server.cpu_seconds()
        streams(server.port, request, SEPARATE_STREAMS, PATIENCE_SECONDS)
        used = server.cpu_seconds() - before
        return {SEPARATE: used / (SEPARATE_STREAMS * CHUNKS) * 1e6}

    contest(run, {SEPARATE: "µs/chunk"}, contenders, turn, starts=5)
