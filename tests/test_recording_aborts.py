"""Clients that leave while the API is recorded: it is let go at once, and nothing remains."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.builders import chat_document
from tests.raw_upstream import CHUNKED_HEAD, PATIENCE_SECONDS, Act, Step, raw_upstream
from tests.servers import Server, running_gunicorn
from tests.test_adapter_aborts import AT_ONCE, ONE_EACH, comes_back_to, linux, remaining

ABORTS = 60

SILENT: dict[str, list[Step]] = {
    "before the head": [Act.AWAIT_CLOSE],
    "within the head": [CHUNKED_HEAD[:30], Act.AWAIT_CLOSE],
    "within a chunk size": [CHUNKED_HEAD + b"1", Act.AWAIT_CLOSE],
}


def leave(server: Server, number: int) -> http.client.HTTPConnection:
    """A connection on which a question was put, every other one for a stream."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE_SECONDS)
    document = json.dumps(chat_document(stream=number % 2 == 0))
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", document, headers)
    return connection


@linux
@pytest.mark.parametrize("script", SILENT)
def test_after_sixty_aborts_no_thread_and_no_socket_remains(script: str, tmp_path: Path) -> None:
    with (
        raw_upstream(*SILENT[script]) as upstream,
        running_gunicorn(
            *ONE_EACH, MOCK_RECORD=upstream.origin, MOCK_FIXTURES=str(tmp_path)
        ) as server,
    ):

        def abort(number: int) -> None:
            with closing(leave(server, number)):
                assert upstream.requested.acquire(timeout=PATIENCE_SECONDS)

        with ThreadPoolExecutor(AT_ONCE) as clients:
            list(clients.map(abort, range(AT_ONCE * 4)))
            before = remaining(server, AT_ONCE * 4)
            list(clients.map(abort, range(ABORTS)))
        assert comes_back_to(before, server, AT_ONCE * 4 + ABORTS)
