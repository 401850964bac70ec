"""What is posted to the legacy API goes the way of the questions: same login, limits, errors."""

import socket
import threading
import time
from typing import Any

import pytest

from llm_proxy.adapter.upstream import Upstream
from llm_proxy.errors import UpstreamError, UpstreamTimeout
from tests.raw_upstream import Act, Ticking, head, raw_upstream, settings_for

DOCUMENT = b'{"rating": 1}'
ANSWER = head("Content-Type: application/json", "Connection: close") + b'{"status": "success"}'


def test_a_document_is_posted_as_json_and_answered() -> None:
    with raw_upstream(ANSWER) as upstream:
        asked = Upstream(settings_for(upstream.url, bearer_token="t0ken"))
        assert asked.posted(f"{upstream.origin}/add_rating", DOCUMENT) == b'{"status": "success"}'
    sent = upstream.heads[0].lower()
    assert sent.startswith("post /add_rating http/1.1\r\n")
    for field in (
        *("accept: application/json", "content-type: application/json"),
        *("authorization: bearer t0ken", f"content-length: {len(DOCUMENT)}"),
    ):
        assert f"\r\n{field}\r\n" in sent


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (head("Content-Type: text/html", "Connection: close"), "text/html instead of app"),
        (head("Connection: close", status="500 No"), "HTTP status 500"),
        (ANSWER + b" " * 1000, "larger than STREAM_MAX_EVENT_BYTES"),
        (ANSWER[:-1], "no JSON"),  # which HTTP cannot tell from a whole one
        (ANSWER + b"\xff", "no JSON"),
        (b"", "without an answer in HTTP"),
    ],
)
def test_another_answer_is_an_error(sent: bytes, reason: str) -> None:
    with raw_upstream(sent) as upstream, pytest.raises(UpstreamError, match=reason):
        Upstream(settings_for(upstream.url, max_event_bytes=100)).posted(upstream.url, DOCUMENT)


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever() -> None:
    with raw_upstream(ANSWER[:-5], Act.AWAIT_CLOSE) as upstream:
        settings = settings_for(upstream.url, idle_timeout_seconds=0.3)
        with pytest.raises(UpstreamTimeout):
            Upstream(settings).posted(upstream.url, DOCUMENT)
        assert upstream.left.wait(1.0)


def test_the_limit_on_connecting_holds_behind_a_login_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit changes while the answer is waited for."""
    real, over = socket.getaddrinfo, threading.Event()

    def lookup(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "legacy.test":
            over.wait(10)
            raise socket.gaierror
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    logged_in = head("Set-Cookie: session=s1", "Connection: close", status="204 No Content")
    with raw_upstream(*[Ticking()] * 20, logged_in) as login:
        asked = Upstream(
            settings_for(
                "http://legacy.test/stream", login_url=login.url, connect_timeout_seconds=0.2
            )
        )
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout, match="STREAM_CONNECT_TIMEOUT"):
            asked.posted("http://legacy.test/add_rating", DOCUMENT)
        assert time.monotonic() - began < 5
    over.set()
