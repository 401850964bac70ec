"""Memory: of an idle worker, of an open stream, and whether it grows with the requests served."""

from bench import contenders as who
from bench.documents import PATH, question, text
from bench.goals import OURS
from bench.load import held, load
from bench.run import FAILURES, Run, servers
from bench.wire import post

IDLE, OPEN, GROWTH = "Memory: idle worker", "Memory: open stream", "Memory: growth"
UNITS = {IDLE: "MiB", OPEN: "KiB", GROWTH: "MiB"}

STREAMS = 200
SLOW = {"MOCK_REPLY": "echo", "MOCK_TOKENS_PER_SECOND": "2"}
CHUNKS = 100

REQUESTS = 1_000_000
"""As the goal has it; the time given to it ends it earlier on most machines."""
SECONDS = 100.0
CONNECTIONS = 8
SETTLED_SHARE = 0.2
"""After so much of it all that is kept at all, such as the journal, is taken to be full."""


def measure(run: Run) -> None:
    """Memory of the default command."""
    with servers(run, UNITS, [who.ours(**SLOW)]) as running:
        for server in running:
            run.results.add(IDLE, OURS, "MiB", [server.worker_kib() / 1024])
            request = post(PATH, question(text(CHUNKS), stream=True))
            try:
                before = server.resident_kib()
                with held(server.port, request, STREAMS):
                    grown = server.resident_kib() - before
            except FAILURES as error:
                run.results.skip(OPEN, OURS, str(error))
            else:
                run.results.add(OPEN, OURS, "KiB", [grown / STREAMS])
    with servers(run, {GROWTH: "MiB"}, [who.ours()]) as running:
        for server in running:
            request = post(PATH, question())
            seconds = SECONDS * run.scale
            most = run.scaled(REQUESTS)
            try:
                settle = round(most * SETTLED_SHARE)
                load(server.port, request, CONNECTIONS, seconds * SETTLED_SHARE, settle)
                before = server.resident_kib()
                load(
                    server.port, request, CONNECTIONS, seconds * (1 - SETTLED_SHARE), most - settle
                )
            except FAILURES as error:
                run.results.skip(GROWTH, OURS, str(error))
            else:
                run.results.add(GROWTH, OURS, "MiB", [(server.resident_kib() - before) / 1024])
