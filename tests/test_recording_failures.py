"""Whatever the API that is recorded does, the client learns it, and nothing is recorded.

An error of the API is passed on as it is; what is no answer is a 502 or 504 of ours.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from llm_proxy.core.reply import IDLE, Event, TextDelta
from llm_proxy.errors import PassedOn, ProxyError, UpstreamError, UpstreamTimeout
from llm_proxy.mock.recording import answer, upstream
from llm_proxy.mock.recording.embeddings import RecordingEmbeddings
from llm_proxy.mock.recording.source import RecordingSource
from llm_proxy.mock.recording.upstream import Upstream
from llm_proxy.openai_api.resource import Call
from tests.builders import chat_document, empty_store
from tests.raw_upstream import (
    CHUNKED_HEAD,
    CLOSING_HEAD,
    LAST_CHUNK,
    PATIENCE_SECONDS,
    Act,
    Step,
    chunk,
    event,
    full_backlog,
    head,
    raw_upstream,
)
from tests.test_adapter_failures import closed_port
from tests.test_recording import Kept, asked, told

KEY = "sk-secretsecretsecret"

CLOSED_JSON = head("Content-Type: application/json", "Connection: close")
ERROR = {"error": {"message": "Slow down.", "type": "tokens", "param": None, "code": "limited"}}


def refused(status: str, body: object, *fields: str) -> bytes:
    document = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, bytes) else "application/json"
    return head(f"Content-Type: {kind}", "Connection: close", *fields, status=status) + document


def said(text: str, reason: str | None = None) -> bytes:
    return event(json.dumps(told({"content": text}, reason)))


def outcome(
    url: str, seconds: float = PATIENCE_SECONDS, *, stream: bool = True
) -> tuple[list[Event], ProxyError]:
    """What came, and the error that ended it; nothing is recorded and nothing is given away."""
    shelf = Kept()
    source = RecordingSource(Upstream(f"{url}/v1", KEY, seconds), shelf)
    events: list[Event] = []
    with pytest.raises(ProxyError) as caught:  # noqa: PT012 - what came before it counts
        for one in source.reply(asked(chat_document("wherefore", stream=stream))):
            if one != IDLE:
                events.append(one)
    assert shelf.fixtures == []
    for private in (KEY, "wherefore", "http://", "127.0.0.1"):
        assert private not in caught.value.message
    return events, caught.value


def outcome_of(
    *script: Step, seconds: float = PATIENCE_SECONDS, stream: bool = True
) -> tuple[list[Event], ProxyError]:
    with raw_upstream(*script) as api:
        return outcome(api.origin, seconds, stream=stream)


def test_an_error_is_passed_on_with_its_headers() -> None:
    fields = (
        "Retry-After: 7",
        "X-RateLimit-Remaining-Tokens: 0",
        "x-should-retry: true",
        "Set-Cookie: a=b",
        "x-request-id: req_theirs",
    )
    events, error = outcome_of(refused("429 Too Many Requests", ERROR, *fields))
    assert events == []
    assert isinstance(error, PassedOn)
    assert (error.status, error.message, error.type) == (429, "Slow down.", "tokens")
    assert (error.param, error.code) == (None, "limited")
    assert error.headers == {
        "retry-after": "7",
        "x-ratelimit-remaining-tokens": "0",
        "x-should-retry": "true",
    }


FORMS: Mapping[str, tuple[object, str, str | None]] = {
    "a text": ({"error": "no such model"}, "no such model", None),
    "a list": ([ERROR], "Slow down.", "limited"),
    "flat": ({"object": "error", "message": "flat", "code": 40401}, "flat", "40401"),
    "no reason": ({"error": {}}, "The API gave no reason.", None),
    "HTML": (
        b"<h1>Bad Gateway</h1>",
        "The API that MOCK_RECORD names answered with HTTP status 503, and not in the form of "
        "OpenAI's errors.",
        "upstream_status",
    ),
    "nothing": (
        b"",
        "The API that MOCK_RECORD names answered with HTTP status 503, and not in the form of "
        "OpenAI's errors.",
        "upstream_status",
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stream", [True, False])
def test_an_error_in_any_form_keeps_its_status(form: str, stream: bool) -> None:
    body, message, code = FORMS[form]
    _, error = outcome_of(refused("503 Service Unavailable", body), stream=stream)
    assert (error.status, error.message, error.code) == (503, message, code)


def test_a_key_that_the_api_repeats_is_taken_out() -> None:
    wrong = {"error": {"message": f"Incorrect API key: {KEY}.", "type": "invalid_request_error"}}
    _, error = outcome_of(refused("401 Unauthorized", wrong))
    assert (error.status, error.message) == (401, "Incorrect API key: ***.")


def test_a_port_where_nobody_listens() -> None:
    with closed_port() as url:
        events, error = outcome(url)
    assert (events, type(error), error.status, error.code) == (
        [],
        UpstreamError,
        502,
        "upstream_failed",
    )
    assert error.message == (
        "The API that MOCK_RECORD names cannot be reached, or broke off its answer. "
        "Check that it runs and that MOCK_RECORD is its base URL."
    )
    assert error.headers == {"x-should-retry": "false"}


def test_a_host_that_does_not_exist() -> None:
    _, error = outcome("http://nonexistent.invalid")
    assert (error.status, "invalid" in error.message) == (502, False)


def test_a_connection_that_is_not_accepted_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "CONNECT_SECONDS", 0.2)
    with full_backlog() as url:
        _, error = outcome(url)
    assert (type(error), error.status) == (UpstreamTimeout, 504)
    assert error.message == ("The API that MOCK_RECORD names accepted no connection within 0.2 s.")


SILENT = "The API that MOCK_RECORD names sent nothing for as long as MOCK_RECORD_TIMEOUT allows."


def test_an_api_that_never_begins_to_answer() -> None:
    events, error = outcome_of(Act.AWAIT_CLOSE, seconds=0.2)
    assert (events, error.status, error.message) == ([], 504, SILENT)


def test_an_api_that_falls_silent_in_the_middle() -> None:
    events, error = outcome_of(CHUNKED_HEAD, chunk(said("one")), Act.AWAIT_CLOSE, seconds=0.2)
    assert (events[1:], error.status, error.message) == ([TextDelta("one")], 504, SILENT)


BEFORE_ANYTHING: Mapping[str, Sequence[Step]] = {
    "a redirect": [head("Location: http://elsewhere.invalid/", status="302 Found")],
    "no content": [head("Connection: close", status="204 No Content")],
    "a page": [head("Content-Type: text/html", "Connection: close") + b"<h1>Hello</h1>"],
    "no media type": [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}"],
    "no JSON": [CLOSED_JSON + b"{"],
    "JSON that is no reply": [CLOSED_JSON + b'{"detail": "x"}'],
    "a JSON array": [CLOSED_JSON + b"[]"],
    "an empty document": [CLOSED_JSON],
    "an empty stream": [CLOSING_HEAD],
    "a stream of comments": [CLOSING_HEAD, b": hi\n\n: there\n\n"],
    "a stream of nonsense": [CLOSING_HEAD, event("hello")],
    "nothing but done": [CLOSING_HEAD, event("[DONE]")],
    "a document cut short": [head("Content-Type: application/json", "Content-Length: 99") + b"{}"],
    "no HTTP": [b"SSH-2.0-x\r\n"],
    "a closed connection": [b""],
    "a reset": [Act.RESET],
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("what", BEFORE_ANYTHING)
def test_what_is_no_answer_is_a_502(what: str, stream: bool) -> None:
    events, error = outcome_of(*BEFORE_ANYTHING[what], stream=stream)
    assert (events, type(error), error.status) == ([], UpstreamError, 502)
    assert "MOCK_RECORD" in error.message


IN_THE_MIDDLE: Mapping[str, Sequence[Step]] = {
    "the connection ends": [CLOSING_HEAD, said("one")],
    "the chunks end": [CHUNKED_HEAD, chunk(said("one"))],
    "the stream ends": [CHUNKED_HEAD, chunk(said("one")), LAST_CHUNK],
    "done, but no finish reason": [CLOSING_HEAD, said("one"), event("[DONE]")],
    "nonsense": [CLOSING_HEAD, said("one"), event("{'not': 'JSON'}")],
    "another type": [CLOSING_HEAD, said("one"), event('{"choices": {}}')],
}


@pytest.mark.parametrize("what", IN_THE_MIDDLE)
def test_what_breaks_off_keeps_what_came(what: str) -> None:
    events, error = outcome_of(*IN_THE_MIDDLE[what])
    assert (events[1:], type(error), error.status) == ([TextDelta("one")], UpstreamError, 502)


def test_a_reset_in_the_middle_keeps_what_came() -> None:
    seen = threading.Event()
    shelf = Kept()
    with raw_upstream(CHUNKED_HEAD, chunk(said("one")), seen, Act.RESET) as api:
        events = RecordingSource(Upstream(api.origin, "", PATIENCE_SECONDS), shelf).reply(
            asked(chat_document(stream=True))
        )
        came: list[Any] = []
        with pytest.raises(UpstreamError):  # noqa: PT012 - what came before it counts
            for one in events:
                came.append(one)
                if one == TextDelta("one"):
                    seen.set()
    assert TextDelta("one") in came
    assert shelf.fixtures == []


def test_an_error_in_the_stream_is_passed_on() -> None:
    events, error = outcome_of(CLOSING_HEAD, said("one"), event(json.dumps(ERROR)))
    assert events[1:] == [TextDelta("one")]
    assert (type(error), error.message, error.type) == (PassedOn, "Slow down.", "tokens")


def test_an_error_that_is_all_of_a_stream_may_name_its_status() -> None:
    told_error = {"error": {"message": "Overloaded.", "code": 529}}
    events, error = outcome_of(CLOSING_HEAD, event(json.dumps(told_error)))
    assert (events, error.status, error.message) == ([], 529, "Overloaded.")


def test_an_error_that_comes_as_a_success_is_one() -> None:
    _, error = outcome_of(CLOSED_JSON, json.dumps(ERROR).encode(), stream=False)
    assert (type(error), error.status, error.message) == (PassedOn, 502, "Slow down.")


def test_an_event_beyond_all_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "MAX_EVENT_BYTES", 100)
    _, error = outcome_of(CLOSING_HEAD, b"data: " + b"x" * 200)
    assert error.status == 502
    assert "more than 100 bytes" in error.message


def test_a_document_beyond_all_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "MAX_DOCUMENT_BYTES", 100)
    _, error = outcome_of(CLOSED_JSON, b" " * 200, stream=False)
    assert error.status == 502
    assert "more than 100 bytes" in error.message


def whole(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    return told({}, choices=[choice])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "script",
    [
        (CLOSED_JSON, json.dumps(whole("Hi")).encode()),
        (CLOSING_HEAD, said("Hi", "stop"), event("[DONE]")),
        (CLOSING_HEAD, said("Hi", "stop")),
        (CLOSING_HEAD, said("Hi"), said("", "stop").rstrip()),
    ],
    ids=["a document", "a stream", "a stream without its end", "without its last line"],
)
def test_an_answer_in_the_other_form_is_one(script: Sequence[Step], stream: bool) -> None:
    shelf = Kept()
    with raw_upstream(*script) as api:
        source = RecordingSource(Upstream(api.origin, "", PATIENCE_SECONDS), shelf)
        events = list(source.reply(asked(chat_document(stream=stream))))
    assert TextDelta("Hi") in events
    assert shelf.fixtures[0]["response"]["content"] == "Hi"


EMBEDDINGS: Mapping[str, tuple[bytes, int]] = {
    "an error": (refused("429 Too Many Requests", ERROR), 429),
    "a page": (head("Content-Type: text/html", "Connection: close") + b"<h1>", 502),
    "no list": (CLOSED_JSON + b'{"data": 5}', 502),
    "too few": (CLOSED_JSON + b'{"data": []}', 502),
}


@pytest.mark.parametrize("what", EMBEDDINGS)
def test_embeddings_fail_in_the_same_ways(what: str) -> None:
    script, status = EMBEDDINGS[what]
    shelf = Kept()
    call = Call(store=empty_store(), names={}, query={}, document=b'{"model": "m", "input": "a"}')
    with raw_upstream(script) as api, pytest.raises(ProxyError) as caught:
        RecordingEmbeddings(Upstream(api.origin, KEY, PATIENCE_SECONDS), shelf)(call)
    assert caught.value.status == status
    assert shelf.fixtures == []
