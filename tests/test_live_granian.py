"""granian in gunicorn's place: what it serves as well, and what it says that it cannot."""

from collections.abc import Iterator

import pytest

from tests.builders import chat_document
from tests.raw_client import asked, sent
from tests.scraped import eventually, scrape, value
from tests.servers import PATIENCE_SECONDS, Server, running_granian

CHAT = "/v1/chat/completions"
TEXT = "one two three"


@pytest.fixture(scope="module")
def granian() -> Iterator[Server]:
    pytest.importorskip("granian")
    with running_granian(MOCK_REPLY="echo", MOCK_TOKENS_PER_SECOND="20") as server:
        yield server


def test_streams_and_documents_are_whole(granian: Server) -> None:
    whole = asked(granian.url, CHAT, chat_document(TEXT))
    streamed = asked(granian.url, CHAT, chat_document(TEXT, stream=True))
    assert (whole.status, whole.end, streamed.status, streamed.end) == (200, "whole") * 2
    assert b'"content":"one two three"' in whole.body
    assert streamed.body.count(b"data: ") == 6
    assert streamed.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", ["disconnect", "reset"])
def test_a_fault_that_needs_the_connection_is_refused(
    granian: Server, kind: str, stream: bool
) -> None:
    headers = {"X-Mock-Fault": f"{kind}; after=1"}
    refused = asked(granian.url, CHAT, chat_document(TEXT, stream=stream), headers)
    assert (refused.status, refused.error()["code"]) == (501, "fault_not_possible")
    assert "need gunicorn" in refused.error()["message"]


def test_other_faults_happen(granian: Server) -> None:
    headers = {"X-Mock-Fault": "truncate; after=1"}
    cut = asked(granian.url, CHAT, chat_document(TEXT, stream=True), headers)
    assert (cut.status, cut.body.count(b"data: ")) == (200, 1)


def test_a_client_that_leaves_is_noticed_at_the_next_write(granian: Server) -> None:
    document = chat_document("word " * 600, stream=True, model="left")
    with sent(granian.url, CHAT, document) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
    line = granian.wait_for_log(lambda line: " model=left " in line)
    assert 'end="client gone"' in line


def test_the_journal_and_the_metrics_know_every_exchange(granian: Server) -> None:
    before = value(scrape(granian), "llm_proxy_requests_total", route=CHAT, outcome="done")
    answer = granian.request("POST", CHAT, json=chat_document())
    newest = granian.request("GET", "/control/requests?limit=1").json()["data"][0]
    assert newest["id"] == answer.headers["x-request-id"]
    eventually(
        lambda: value(scrape(granian), "llm_proxy_requests_total", route=CHAT, outcome="done"),
        before + 1,
    )


def test_sigterm_lets_a_running_stream_finish() -> None:
    pytest.importorskip("granian")
    with (
        running_granian(MOCK_REPLY="echo", MOCK_TOKENS_PER_SECOND="10") as server,
        sent(server.url, CHAT, chat_document("abc " * 10, stream=True)) as connection,
    ):
        received = connection.recv(65536)
        server.process.terminate()
        while piece := connection.recv(65536):
            received += piece
        assert b"data: [DONE]" in received
        assert server.process.wait(PATIENCE_SECONDS) == 0
