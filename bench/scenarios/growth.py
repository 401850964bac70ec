"""Growth: whether a cost grows with the reply, the journal, the fixtures or the request."""

import json
from collections.abc import Mapping

from msgspec.structs import replace

from bench import contenders as who
from bench.documents import PATH, question, text
from bench.goals import OURS
from bench.load import load
from bench.processes import Server
from bench.run import FAILURES, Run, contest, servers
from bench.scenarios.json_reply import CONNECTIONS, microseconds
from bench.wire import get, post

SHORT, LONG = "Growth: short reply", "Growth: long reply"
EMPTY, FULL = "Growth: empty journal", "Growth: full journal"
SMALLER, LARGER = "Growth: 10 requests of 1 MB", "Growth: request of 10 MB"

SHORT_CHUNKS, LONG_CHUNKS = 200, 5000
JOURNAL_REQUESTS = 20_000
_LISTED = get("/control/requests?limit=1")
_JOURNAL = {
    "LLM_PROXY_JOURNAL": "@FOLDER@/journal.sqlite",
    "LLM_PROXY_JOURNAL_MAX": str(JOURNAL_REQUESTS),
}
FEW_FIXTURES, MANY_FIXTURES = 10, 10_000


def measure(run: Run) -> None:
    """Every kind of growth."""
    _replies(run)
    _journal(run)
    _fixtures(run)
    _requests(run)


def _replies(run: Run) -> None:
    def turn(server: Server) -> Mapping[str, float]:
        return {
            name: _chunk_microseconds(run, server, chunks)
            for name, chunks in ((SHORT, SHORT_CHUNKS), (LONG, LONG_CHUNKS))
        }

    units = {SHORT: "µs/chunk", LONG: "µs/chunk"}
    contest(run, units, [who.ours(MOCK_REPLY="echo")], turn)


def _chunk_microseconds(run: Run, server: Server, chunks: int) -> float:
    """What a further chunk costs: the request itself is taken off, which is large with its text."""
    content = text(chunks)
    streamed = post(PATH, question(content, stream=True))
    whole = post(PATH, question(content, stream=True, max_tokens=1))
    cost = microseconds(server, streamed, 2, run.block_seconds)
    return (cost - microseconds(server, whole, 2, run.block_seconds / 2)) / chunks


def _journal(run: Run) -> None:
    """Each start has one sample of either, as a journal is empty once."""
    for _ in range(run.rounds):
        _journal_once(run)


def _journal_once(run: Run) -> None:
    units = {EMPTY: "µs", FULL: "µs"}
    request = post(PATH, question())
    with servers(run, units, [who.ours(**_JOURNAL)]) as running:
        for server in running:
            try:
                load(server.port, request, CONNECTIONS, run.block_seconds, 100)
                for name in (EMPTY, FULL):
                    load(server.port, _LISTED, 1, 60, 1)  # which waits until all is written
                    cost = microseconds(server, request, CONNECTIONS, run.block_seconds, 500)
                    run.results.add(name, OURS, "µs", [cost])
                    load(server.port, request, CONNECTIONS, 60, run.scaled(JOURNAL_REQUESTS))
            except FAILURES as error:
                run.results.skip(FULL, OURS, str(error))


def _fixtures(run: Run) -> None:
    for count in (FEW_FIXTURES, MANY_FIXTURES):
        name = f"Growth: {count} fixtures"
        fixtures = [
            {"match": {"userMessage": f"question {number}."}, "response": {"content": "Yes."}}
            for number in range(count)
        ]
        files = {"all.json": json.dumps({"fixtures": fixtures})}
        contender = replace(who.ours(MOCK_FIXTURES="@FOLDER@/all.json"), files=files)
        request = post(PATH, question(f"This is question {count - 1}."))

        def turn(server: Server, name: str = name, request: bytes = request) -> Mapping[str, float]:
            return {name: microseconds(server, request, CONNECTIONS, run.block_seconds)}

        contest(run, {name: "µs"}, [contender], turn)


def _requests(run: Run) -> None:
    # All beyond some 200 kB, where an allocation begins to be fresh pages that cost on first
    # touch: a step, not growth.
    sizes = (1, 1_000_000, 10_000_000)
    small, tenth, large = (post(PATH, question("a" * size)) for size in sizes)

    def turn(server: Server) -> Mapping[str, float]:
        seconds = run.block_seconds / 2
        least, smaller, larger = (
            microseconds(server, request, 2, seconds) for request in (small, tenth, large)
        )
        # What any request costs does not grow, and is taken off both.
        return {SMALLER: 10 * (smaller - least), LARGER: larger - least}

    contest(run, {SMALLER: "µs", LARGER: "µs"}, [who.ours()], turn)
