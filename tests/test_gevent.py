"""Greenlets in place of threads: their turns, and how the server starts and stops with them.

What they serve is tested with what threads serve, wherever a test asks for `gunicorn`.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import chat_document
from tests.raw_client import asked
from tests.raw_upstream import CLOSING_HEAD, raw_upstream, word
from tests.servers import (
    GUNICORN,
    MOCK,
    PATIENCE_SECONDS,
    ended,
    new_session,
    running,
    running_gevent,
)

gevent: Any = pytest.importorskip("gevent")

CHAT = "/v1/chat/completions"


def test_an_answer_without_pauses_leaves_others_their_turn() -> None:
    from llm_proxy.server.gevent_worker import WRITES_AT_ONCE, _taking_turns

    seen: list[object] = []

    def body() -> Iterator[bytes]:
        try:
            for number in range(WRITES_AT_ONCE + 1):
                seen.append(number)
                yield b"piece"
        finally:
            seen.append("closed")

    other = gevent.spawn(seen.append, "other")
    answer = _taking_turns(lambda _, __: body())({}, None)
    assert list(answer) == [b"piece"] * (WRITES_AT_ONCE + 1)
    answer.close()  # type: ignore[attr-defined]
    other.join()
    assert seen == [*range(WRITES_AT_ONCE), "other", WRITES_AT_ONCE, "closed"]


def test_idle_connections_do_not_hold_up_the_end() -> None:
    """They would be waited for as long as they may be kept."""
    with running_gevent() as server, new_session() as session:
        assert session.get(f"{server.url}/health").status_code == 200
        server.process.terminate()
        assert server.process.wait(PATIENCE_SECONDS) == 0


def test_connections_that_become_idle_later_do_not_hold_up_the_end_either() -> None:
    with (
        running_gevent(MOCK_REPLY="echo", MOCK_TOKENS_PER_SECOND="10") as server,
        new_session() as session,
    ):
        asking = chat_document("one two three four " * 10, stream=True)
        with session.post(f"{server.url}{CHAT}", json=asking, stream=True) as answer:
            pieces = answer.iter_content(None)
            assert next(pieces)
            server.process.terminate()
            assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
        assert server.process.wait(PATIENCE_SECONDS) == 0


def test_idle_connections_do_not_hold_up_a_worker_that_has_answered_enough() -> None:
    """They would keep the next one from coming, and nobody would answer meanwhile."""
    with running_gevent("--max-requests", "3") as server, new_session() as idle:
        assert idle.get(f"{server.url}/health").status_code == 200
        for _ in range(2):
            assert server.request("GET", "/health").status_code == 200
        server.wait_for_logs(2, lambda line: "Booting worker" in line, PATIENCE_SECONDS / 2)
        assert server.request("GET", "/health").status_code == 200


@pytest.mark.parametrize("name", ["gevent", "llm_proxy.server.gevent_worker.StreamWorker"])
def test_a_worker_class_that_patches_too_late_is_refused(name: str) -> None:
    process = ended((*GUNICORN, "--worker-class", name))
    assert process.returncode != 0
    assert "gunicorn -c gevent.conf.py wsgi:app" in process.stderr
    assert "llm-proxy mock --many-streams" in process.stderr


def test_an_upstream_can_be_asked_by_https(certificate: Path) -> None:
    """What urllib3 knows of TLS when it was imported before the patches recurses without end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with (
        raw_upstream(CLOSING_HEAD + word("one"), tls=context) as upstream,
        running_gevent(STREAM_URL=upstream.url, STREAM_CA_FILE=str(certificate)) as server,
    ):
        answer = asked(server.url, f"/adapter{CHAT}", chat_document())
    assert (answer.status, b'"content":"one"' in answer.body) == (200, True)


def test_the_command_line_serves_many_streams_until_its_input_ends() -> None:
    with running((*MOCK, "--many-streams")) as server:
        assert asked(server.url, CHAT, chat_document(stream=True)).end == "whole"
        assert "StreamWorker" in server.wait_for_log(lambda line: "Using worker" in line)
