"""The cost of the records: what journal and metrics together add to a request and to a chunk."""

from collections.abc import Mapping

from bench import contenders as who
from bench.documents import PATH, question, text
from bench.goals import UNRECORDED
from bench.processes import Server
from bench.run import Run, contest
from bench.scenarios.json_reply import microseconds
from bench.wire import post

REQUEST = "Records: JSON reply"
CHUNK = "Records: chunk"
CONNECTIONS = 4

CHUNKS = 1000
"""Many, as a chunk costs so little beside what each request does."""

_ECHO = {"MOCK_REPLY": "echo"}


def measure(run: Run) -> None:
    """Processor time with records and without, for a JSON reply and for a chunk of a stream."""
    contenders = (
        who.ours(**_ECHO),
        who.app(UNRECORDED, "unrecorded", LLM_PROXY_JOURNAL="off", **_ECHO),
    )
    whole = post(PATH, question())
    content = text(CHUNKS)
    streamed = post(PATH, question(content, stream=True))
    short = post(PATH, question(content, stream=True, max_tokens=1))

    def turn(server: Server) -> Mapping[str, float]:
        seconds = run.block_seconds
        request = microseconds(server, whole, CONNECTIONS, seconds)
        stream = microseconds(server, streamed, CONNECTIONS, seconds)
        # What a stream costs before its first chunk is that of a request, and told above.
        begun = microseconds(server, short, CONNECTIONS, seconds / 2)
        return {REQUEST: request, CHUNK: (stream - begun) / (CHUNKS - 1)}

    units = {REQUEST: "µs", CHUNK: "µs/chunk"}
    contest(run, units, contenders, turn, rounds=2 * run.rounds, starts=5)
