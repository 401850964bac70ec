"""A small request, answered by one JSON document: what it costs the server."""

from collections.abc import Mapping

from bench import contenders as who
from bench.documents import PATH, question
from bench.load import load
from bench.processes import Server
from bench.run import FAILURES, Run, contest, servers
from bench.wire import post

MEASURE = "JSON reply"
CONNECTIONS = 8

FIRST = 1000
FRESH = f"JSON reply, the first {FIRST}"
FRESH_ROUNDS = 3
PATIENCE_SECONDS = 60.0

UNPINNED = "JSON reply, on any core"

_SAID = "Hi there! This is a mock response of the usual length, more or less."

_PEERS = (
    who.ours(),
    who.ours_granian(),
    who.app_uvicorn("FastAPI, uvicorn", "fastapi_route", "fastapi"),
    who.aimock(_SAID),
    who.fakellm(_SAID),
    who.llmock("static"),
)
_FLOORS = (
    who.nginx(),
    who.app("bare WSGI", "bare"),
    who.app_granian("bare WSGI, granian", "bare"),
    who.app("Flask route", "flask_route"),
    who.app_granian("Flask route, granian", "flask_route"),
)


def measure(run: Run) -> None:
    """Processor time of each contender for a request."""
    request = post(PATH, question())

    def turn(server: Server) -> Mapping[str, float]:
        return {MEASURE: microseconds(server, request, CONNECTIONS, run.block_seconds)}

    contest(run, {MEASURE: "µs"}, (*_FLOORS, *_PEERS), turn)


def measure_fresh(run: Run) -> None:
    """The same for the first requests after a start, as in a test that starts its own server.

    What compiles itself while it runs takes some thousand requests to be at its best.
    """
    request = post(PATH, question())
    units = {FRESH: "µs"}
    for _ in range(1 if run.quick else FRESH_ROUNDS):
        with servers(run, units, _PEERS) as running:
            for server in running:
                try:
                    cost = microseconds(server, request, CONNECTIONS, PATIENCE_SECONDS, FIRST)
                except FAILURES as error:
                    run.results.skip(FRESH, server.name, str(error))
                else:
                    run.results.add(FRESH, server.name, units[FRESH], [cost])


def measure_unpinned(run: Run) -> None:
    """The same for servers that may use every core, with gunicorn's own threads and with ours.

    Threads get in each other's way most where they run at once, which goals do not tell of: on
    one core it depends on chance.
    """
    request = post(PATH, question())
    bare = who.app("bare WSGI", "bare")
    contenders = [one for each in (who.ours(), bare) for one in (each, who.with_gthread(each))]

    def turn(server: Server) -> Mapping[str, float]:
        return {UNPINNED: microseconds(server, request, CONNECTIONS, run.block_seconds)}

    contest(run, {UNPINNED: "µs"}, contenders, turn, pinned=False)


def microseconds(
    server: Server, request: bytes, connections: int, seconds: float, most: int = 0
) -> float:
    """Processor time of the server for one answer to `request`."""
    before = server.cpu_seconds()
    answers = load(server.port, request, connections, seconds, most)
    return (server.cpu_seconds() - before) / answers * 1e6
