"""Whatever the legacy API does, the client learns it in one way: an error in OpenAI's shape.

Before the first word it is an HTTP status; after it the words that came, then one error event.
"""

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from llm_proxy.adapter.source import LegacySource
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.core.reply import ASIDES, TextDelta
from llm_proxy.core.runs import singly
from llm_proxy.errors import ProxyError, UpstreamError, UpstreamTimeout
from tests.builders import chat_document, chat_request, client
from tests.raw_upstream import (
    CHUNKED_HEAD,
    CLOSING_HEAD,
    LAST_CHUNK,
    PATIENCE_SECONDS,
    Act,
    Step,
    Ticking,
    chunk,
    event,
    full_backlog,
    head,
    raw_upstream,
    settings_for,
    word,
)

HTML = head("Content-Type: text/html; charset=utf-8", "Connection: close") + b"<h1>Log in</h1>"
JSON = head("Content-Type: application/json", "Connection: close") + b'{"detail": "x"}'
NO_TYPE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + word("one")

SECRETS = {"bearer_token": "t0ken", "cookie": "session=c00kie", "headers": (("X-Key", "k3y"),)}
QUESTION = "wherefore"

Outcome = tuple[list[str], type[ProxyError], str | None]


def answer(status: str, *fields: str) -> bytes:
    return head("Content-Type: text/plain", "Connection: close", *fields, status=status) + b"no"


def outcome(url: str, **settings: Any) -> tuple[list[str], ProxyError]:
    """The words that came, and the error that ended them."""
    adapter = settings_for(url, **SECRETS, **settings)
    texts = []
    with pytest.raises(ProxyError) as caught:  # noqa: PT012 - what came before it counts
        asked = LegacySource(adapter, Upstream(adapter)).reply(chat_request(QUESTION))
        for reply_event in singly(asked):
            if not isinstance(reply_event, ASIDES):
                texts.append(getattr(reply_event, "text", repr(reply_event)))
    error = caught.value
    assert (error.type, error.param, dict(error.headers)) == (
        "upstream_error",
        None,
        {"x-should-retry": "false"},
    )
    for private in ("t0ken", "c00kie", "k3y", QUESTION, "http://", "127.0.0.1", "/stream"):
        assert private not in error.message
    return texts, error


def outcome_of(*script: Step, **settings: Any) -> tuple[list[str], int, str | None]:
    with raw_upstream(*script) as upstream:
        texts, error = outcome(upstream.url, **settings)
    assert len(upstream.heads) == 1
    return texts, error.status, error.code


@contextmanager
def closed_port() -> Iterator[str]:
    """An address that refuses: its port is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/stream"


def test_a_port_where_nobody_listens() -> None:
    with closed_port() as url:
        texts, error = outcome(url)
    assert (texts, type(error), error.status, error.code, error.message) == (
        [],
        UpstreamError,
        502,
        "upstream_failed",
        "The legacy search API cannot be reached. "
        "Check that it runs and that STREAM_URL is its address.",
    )


@pytest.mark.parametrize(
    "url", ["http://nonexistent.invalid/", f"http://{'a' * 64}.invalid/", "http://*.invalid/"]
)
def test_a_host_that_does_not_exist(url: str) -> None:
    texts, error = outcome(url)
    assert (texts, error.status, error.code, error.message) == (
        [],
        502,
        "upstream_failed",
        "The host that STREAM_URL names has no address here. Check its spelling, and that this "
        "machine can look up names.",
    )


def test_a_connection_that_is_not_accepted_in_time() -> None:
    with full_backlog() as url:
        texts, error = outcome(url, connect_timeout_seconds=0.2)
    assert (texts, type(error), error.status, error.code, error.message) == (
        [],
        UpstreamTimeout,
        504,
        "upstream_timeout",
        "The legacy search API did not accept a connection within STREAM_CONNECT_TIMEOUT. "
        "Check that it runs and that STREAM_URL is its address.",
    )


@pytest.mark.parametrize(
    "status",
    [
        "204 No Content",
        "301 Moved Permanently",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "414 URI Too Long",
        "422 Unprocessable Content",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ],
)
def test_another_status_than_200_is_named(status: str) -> None:
    with raw_upstream(answer(status, "Retry-After: 0")) as upstream:
        texts, error = outcome(upstream.url)
    assert (texts, error.status, error.code, error.message) == (
        [],
        502,
        "upstream_status",
        f"The legacy search API answered with HTTP status {status[:3]}. "
        + (
            "Look into its log."
            if status.startswith("5")
            else "Check STREAM_URL and the credentials (STREAM_BEARER_TOKEN, STREAM_COOKIE)."
        ),
    )
    assert len(upstream.heads) == 1


@pytest.mark.parametrize("sent", [answer("529 Too Much"), answer("503 overloaded 529")])
def test_no_message_holds_what_makes_continue_ask_again(sent: bytes) -> None:
    with raw_upstream(sent) as upstream:
        _, error = outcome(upstream.url)
    assert not [word for word in ("529", "overloaded", "\n\n") if word in error.message]
    assert not error.message[0].isdigit()


@pytest.mark.parametrize(
    "media_type", ["text/overloaded", "x", "t0ken; x=1", "text/" + "x" * 1000, 'text/"529"']
)
def test_no_media_type_of_the_upstreams_own_making_is_repeated(media_type: str) -> None:
    with raw_upstream(head(f"Content-Type: {media_type}", "Connection: close")) as upstream:
        _, error = outcome(upstream.url)
    assert "answered with another media type instead" in error.message


@pytest.mark.parametrize(
    "sent",
    [
        *(b"", b"\n\n", b": ping\n\n", b"<h1>Log in</h1>\n", b'{"detail": "x"}\n'),
        *(b"id: 7\nretry: 1\n\n", b"event: x\n\n"),
    ],
)
def test_a_stream_without_a_single_event_is_no_answer(sent: bytes) -> None:
    with raw_upstream(CLOSING_HEAD + sent) as upstream:
        texts, error = outcome(upstream.url)
    assert (texts, error.status, error.code, error.message) == (
        [],
        502,
        "upstream_no_events",
        "The legacy search API ended its answer without a single event. "
        "Check that STREAM_URL is the address of its stream, and look into its log.",
    )


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary"])
@pytest.mark.parametrize("location", ["/", "http://nonexistent.invalid/", "http://[", "//", "é"])
def test_a_redirect_is_not_followed_wherever_it_leads(status: str, location: str) -> None:
    assert outcome_of(answer(status, f"Location: {location}")) == ([], 502, "upstream_status")


def test_a_redirect_is_refused_without_waiting_for_its_body() -> None:
    fields = ("Location: /", "Content-Type: text/html", "Content-Length: 100")
    with raw_upstream(head(*fields, status="302 Found"), Act.AWAIT_CLOSE) as upstream:
        _, error = outcome(upstream.url, idle_timeout_seconds=2.0)
        assert error.code == "upstream_status"
        assert upstream.left.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("sent", "named"),
    [(HTML, "text/html"), (JSON, "application/json"), (NO_TYPE, "a body without a media type")],
)
def test_a_body_that_is_no_event_stream_is_named(sent: bytes, named: str) -> None:
    with raw_upstream(sent) as upstream:
        texts, error = outcome(upstream.url)
    assert (texts, error.status, error.code, error.message) == (
        [],
        502,
        "upstream_not_a_stream",
        f"The legacy search API answered with {named} instead of text/event-stream. "
        "Check that STREAM_URL is the right address, and that its login is valid.",
    )


@pytest.mark.parametrize(
    "media_type", ["text/event-stream", "TEXT/Event-Stream", "text/event-stream ; charset=utf-8"]
)
def test_the_media_type_may_be_written_in_any_way(media_type: str) -> None:
    sent = head(f"Content-Type: {media_type}", "Connection: close") + word("one")
    assert outcome_of(sent + b"data: " + b"x" * 999, max_event_bytes=99) == (
        ["one"],
        502,
        "upstream_failed",
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 what?\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
        b"HTTP/1.1",
        CHUNKED_HEAD + b"xyz\r\n",
        head("Content-Encoding: gzip", "Connection: close") + b"no gzip at all",
    ],
    ids=["nothing", "not HTTP", "status", "field", "head", "chunk size", "gzip"],
)
def test_what_is_no_answer_at_all(sent: bytes) -> None:
    with raw_upstream(sent) as upstream:
        texts, error = outcome(upstream.url)
    assert (texts, error.status, error.code) == ([], 502, "upstream_failed")
    assert len(upstream.heads) == 1, "only a connection that was kept is worth a second try"


LIMITS = {
    "idle": "The legacy search API sent nothing for as long as STREAM_IDLE_TIMEOUT allows.",
    "total": "The legacy search API took longer than STREAM_TOTAL_TIMEOUT for its answer.",
}


@pytest.mark.parametrize(
    ("before", "texts"),
    [(b"", []), (CHUNKED_HEAD, []), (CHUNKED_HEAD + chunk(word("one")), ["one"])],
    ids=["before the head", "after the head", "after a word"],
)
@pytest.mark.parametrize("limit", LIMITS)
def test_silence_ends_at_the_limit(limit: str, before: bytes, texts: list[str]) -> None:
    with raw_upstream(before, Act.AWAIT_CLOSE) as upstream:
        came, error = outcome(upstream.url, **{f"{limit}_timeout_seconds": 0.5})
        assert upstream.left.wait(PATIENCE_SECONDS)
    assert (came, type(error), error.status, error.code, error.message) == (
        texts,
        UpstreamTimeout,
        504,
        "upstream_timeout",
        LIMITS[limit],
    )


def test_comments_do_not_outlast_the_total_limit() -> None:
    """They end a silence, but not the answer."""
    comments: list[Step] = [b": ping\n\n", Ticking()] * 200
    with raw_upstream(CLOSING_HEAD + word("one"), *comments) as upstream:
        texts, error = outcome(upstream.url, total_timeout_seconds=0.5, idle_timeout_seconds=2.0)
        assert upstream.left.wait(PATIENCE_SECONDS)
    assert (texts, error.status, error.message) == (["one"], 504, LIMITS["total"])


def test_a_stream_of_bytes_without_end_does_not_outlast_the_total_limit() -> None:
    flood: list[Step] = [b": " + b"x" * 65536 + b"\n\n"] * 100_000
    with raw_upstream(CLOSING_HEAD, *flood) as upstream:
        texts, error = outcome(upstream.url, total_timeout_seconds=1.0)
        assert upstream.left.wait(PATIENCE_SECONDS)
    assert (texts, error.status, error.message) == ([], 504, LIMITS["total"])


@pytest.mark.parametrize(
    "script",
    [
        [CHUNKED_HEAD + chunk(word("one")) + chunk(word("two")), Act.RESET],
        [CLOSING_HEAD + word("one") + word("two"), Act.RESET],
        [head("Content-Length: 1000") + word("one") + word("two"), Act.RESET],
        [CHUNKED_HEAD + chunk(word("one")) + chunk(word("two"))],
        [CHUNKED_HEAD + chunk(word("one")) + chunk(word("two") + word("no"))[:-9]],
        [CHUNKED_HEAD + chunk(word("one")) + chunk(word("two")) + b"5"],
        [CHUNKED_HEAD + chunk(word("one")) + chunk(word("two")) + b"nonsense\r\n"],
        [head("Content-Length: 1000") + word("one") + word("two")],
        [CLOSING_HEAD + word("one") + word("two") + b"data: " + b"x" * 1000],
    ],
    ids=[
        "reset, chunked",
        "reset, until closed",
        "reset, counted",
        "closed without the last chunk",
        "closed within a chunk",
        "closed within a chunk size",
        "no chunk size",
        "closed before the length",
        "event too large",
    ],
)
def test_words_that_came_are_passed_on_before_the_failure(script: Sequence[Step]) -> None:
    texts, status, code = outcome_of(*script, max_event_bytes=500)
    assert (texts[:2], status, code) == (["one", " two"], 502, "upstream_failed")


def test_an_event_too_large_is_named() -> None:
    with raw_upstream(CLOSING_HEAD, *[b"data: 1234"] * 100) as upstream:
        texts, error = outcome(upstream.url, max_event_bytes=500)
    assert (texts, error.message) == (
        [],
        "The legacy search API sent an event larger than STREAM_MAX_EVENT_BYTES.",
    )


def posted(upstream_url: str, *, stream: bool, **environ: str) -> Any:
    """The answer of the application to a question, by the half at /v1."""
    return client(LLM_PROXY_V1="adapter", STREAM_URL=upstream_url, **environ).post(
        "/v1/chat/completions", json=chat_document(QUESTION, stream=stream)
    )


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ([answer("401 Unauthorized")], 502, "upstream_status"),
        ([answer("302 Found", "Location: /")], 502, "upstream_status"),
        ([HTML], 502, "upstream_not_a_stream"),
        ([b"", Act.RESET], 502, "upstream_failed"),
        ([CHUNKED_HEAD, Act.RESET], 502, "upstream_failed"),
        ([CHUNKED_HEAD, Act.AWAIT_CLOSE], 504, "upstream_timeout"),
        ([b"", Act.AWAIT_CLOSE], 504, "upstream_timeout"),
    ],
    ids=["401", "302", "login page", "no head", "no word", "silent", "mute"],
)
def test_before_the_first_word_a_failure_is_an_http_status(
    script: Sequence[Step], status: int, code: str, stream: bool
) -> None:
    with raw_upstream(*script) as upstream:
        response = posted(upstream.url, stream=stream, STREAM_IDLE_TIMEOUT="0.5")
    error = response.get_json()["error"]
    assert (response.status_code, response.mimetype, response.headers["x-should-retry"]) == (
        status,
        "application/json",
        "false",
    )
    assert (list(error), error["type"], error["param"], error["code"]) == (
        ["message", "type", "param", "code"],
        "upstream_error",
        None,
        code,
    )


def streamed(body: str) -> list[Any]:
    """Of each event of a body: the text, or the finish reason, or the error's code."""
    told = []
    for data in body.removesuffix("\n\n").split("\n\n"):
        document = json.loads(data.removeprefix("data: "))
        if "error" in document:
            told.append({"error": document["error"]["code"]})
        else:
            choice = document["choices"][0]
            told.append(choice["delta"].get("content", choice["finish_reason"]))
    return told


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [
        ([Act.RESET], 502, "upstream_failed"),
        ([], 502, "upstream_failed"),
        ([Act.AWAIT_CLOSE], 504, "upstream_timeout"),
    ],
    ids=["reset", "closed", "silent"],
)
def test_after_the_first_word_a_failure_is_the_last_event(
    ending: Sequence[Step], status: int, code: str
) -> None:
    """No finish reason, no [DONE]; a JSON answer has only the error."""
    script = [CHUNKED_HEAD + chunk(word("one")) + chunk(word("two")), *ending]
    with raw_upstream(*script) as upstream:
        response = posted(upstream.url, stream=True, STREAM_IDLE_TIMEOUT="0.5")
        assert (response.status_code, response.mimetype) == (200, "text/event-stream")
        assert streamed(response.get_data(as_text=True)) == ["", "one", " two", {"error": code}]
        refused = posted(upstream.url, stream=False, STREAM_IDLE_TIMEOUT="0.5")
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (status, code)


def test_a_failure_stays_with_the_request_that_met_it() -> None:
    """The next question gets its answer, on the same application."""
    broken = CHUNKED_HEAD + chunk(word("one"))
    with (
        raw_upstream(broken, Act.RESET) as upstream,
        raw_upstream(CLOSING_HEAD + event("two")) as healthy,
    ):
        assert posted(upstream.url, stream=False).status_code == 502
        body = posted(healthy.url, stream=False).get_json()
    assert body["choices"][0]["message"]["content"] == "two"


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    """The upstream closes it without an answer, just as the second question comes in."""
    script = (CHUNKED_HEAD, chunk(word("one")), LAST_CHUNK, Act.AWAIT_REQUEST)
    with raw_upstream(*script) as upstream:
        adapter = settings_for(upstream.url)
        source = LegacySource(adapter, Upstream(adapter))
        for _ in range(2):
            assert TextDelta("one") in list(source.reply(chat_request(QUESTION)))
    assert len(upstream.heads) == 3
