"""A small request, answered by one JSON document: what it costs the server."""

from collections.abc import Mapping

from bench import contenders as who
from bench.documents import PATH, question
from bench.load import load
from bench.processes import Server
from bench.run import Run, contest
from bench.wire import post

MEASURE = "JSON reply"
CONNECTIONS = 8

CONTENDERS = (
    who.nginx(),
    who.app("bare WSGI", "bare"),
    who.app_granian("bare WSGI, granian", "bare"),
    who.app("Flask route", "flask_route"),
    who.app_granian("Flask route, granian", "flask_route"),
    who.ours(),
    who.ours_granian(),
    who.app_uvicorn("FastAPI, uvicorn", "fastapi_route", "fastapi"),
    who.aimock("Hi there! This is a mock response of the usual length, more or less."),
    who.fakellm("Hi there! This is a mock response of the usual length, more or less."),
    who.llmock("static"),
)


def measure(run: Run) -> None:
    """Processor time of each contender for a request."""
    request = post(PATH, question())

    def turn(server: Server) -> Mapping[str, float]:
        return {MEASURE: microseconds(server, request, CONNECTIONS, run.block_seconds)}

    contest(run, {MEASURE: "µs"}, CONTENDERS, turn)


def microseconds(
    server: Server, request: bytes, connections: int, seconds: float, most: int = 0
) -> float:
    """Processor time of the server for one answer to `request`."""
    before = server.cpu_seconds()
    answers = load(server.port, request, connections, seconds, most)
    return (server.cpu_seconds() - before) / answers * 1e6
