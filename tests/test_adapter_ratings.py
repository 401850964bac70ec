"""What users think of an answer reaches the search API that gave it."""

import json
from typing import Any

import pytest

from llm_proxy.adapter.ratings import rating_url
from llm_proxy.settings import AdapterSettings
from tests.builders import client
from tests.legacy_process import running_legacy
from tests.raw_upstream import Act, RawUpstream, head, raw_upstream

FEEDBACK = "/adapter/v1/feedback"
RATING = {"chat_id": "chatcmpl-1", "search_query": "why?", "rating": 5}


def answering(document: object, status: str = "200 OK") -> bytes:
    body = json.dumps(document).encode()
    return (
        head("Content-Type: application/json", f"Content-Length: {len(body)}", status=status) + body
    )


def rated(upstream: RawUpstream, document: dict[str, Any], **environ: str) -> tuple[int, Any]:
    answer = client(STREAM_URL=upstream.url, **environ).post(FEEDBACK, json=document)
    return answer.status_code, answer.get_json()


@pytest.mark.parametrize(
    ("document", "received"),
    [
        (RATING, RATING),
        ({"id": "chatcmpl-1", "rating": -1}, {**RATING, "search_query": "", "rating": -1}),
        ({**RATING, "id": "resp_2", "model": "any", "comment": "good"}, RATING),
    ],
)
def test_a_rating_is_passed_on_and_its_answer_is_the_answer(
    document: dict[str, Any], received: dict[str, Any]
) -> None:
    with running_legacy() as base_url:
        answer = client(STREAM_URL=f"{base_url}/stream?topNDocuments=3").post(
            FEEDBACK, json=document
        )
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.get_json() == {"status": "success", "received_data": received}


@pytest.mark.parametrize(
    ("document", "param", "code"),
    [
        ({"rating": 5}, "chat_id", "missing_required_parameter"),
        ({"chat_id": "x"}, "rating", "missing_required_parameter"),
        ({"chat_id": "x", "rating": "good"}, "rating", "invalid_type"),
        ({"chat_id": "x", "rating": True}, "rating", "invalid_type"),
        ({"chat_id": "x", "rating": 1.5}, "rating", "invalid_type"),
        ({"chat_id": 7, "rating": 5}, "chat_id", "invalid_type"),
        ({"chat_id": "", "rating": 5}, "chat_id", "invalid_value"),
    ],
)
def test_what_is_no_rating_is_refused_and_not_passed_on(
    document: dict[str, Any], param: str, code: str
) -> None:
    with raw_upstream(answering({})) as upstream:
        status, body = rated(upstream, document)
        assert upstream.heads == []
    assert (status, body["error"]["param"], body["error"]["code"]) == (400, param, code)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (answering({"detail": "no"}, status="422 Unprocessable"), 502, "upstream_status"),
        (head("Location: /", "Content-Length: 0", status="302 Found"), 502, "upstream_status"),
        (
            head("Content-Type: text/html", "Content-Length: 2") + b"hi",
            502,
            "upstream_not_a_stream",
        ),
        (b"nothing like HTTP\r\n\r\n", 502, "upstream_failed"),
        (answering({"x": "y" * 200}), 502, "upstream_failed"),
    ],
)
def test_an_upstream_that_fails_is_told_apart(answer: bytes, status: int, code: str) -> None:
    with raw_upstream(answer) as upstream:
        told, body = rated(upstream, RATING, STREAM_MAX_EVENT_BYTES="100")
    assert (told, body["error"]["type"], body["error"]["code"]) == (status, "upstream_error", code)


def test_an_upstream_that_is_silent_is_a_timeout() -> None:
    with raw_upstream(Act.AWAIT_CLOSE) as upstream:
        status, body = rated(upstream, RATING, STREAM_IDLE_TIMEOUT="0.2")
    assert (status, body["error"]["code"]) == (504, "upstream_timeout")


def test_the_credentials_of_the_upstream_go_along() -> None:
    with raw_upstream(answering({})) as upstream:
        assert rated(upstream, RATING, STREAM_BEARER_TOKEN="t0ken") == (200, {})
    (request,) = upstream.heads
    assert request.startswith("POST /add_rating HTTP/1.1\r\n")
    assert "Authorization: Bearer t0ken\r\n" in request
    assert "Content-Type: application/json\r\n" in request


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (AdapterSettings(url="https://h:8443/api/stream?n=3"), "https://h:8443/add_rating"),
        (AdapterSettings(rating_url="http://r/x?y=z"), "http://r/x?y=z"),
    ],
)
def test_the_address_follows_from_the_streams_or_is_configured(
    settings: AdapterSettings, url: str
) -> None:
    assert rating_url(settings) == url


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answering({}), {"upstream_status": 200, "upstream_end": "done"}),
        (
            answering({}, status="500 No"),
            {"upstream_status": 500, "upstream_end": "upstream_status"},
        ),
        (b"", {"upstream_cause": "RemoteDisconnected", "upstream_end": "upstream_failed"}),
    ],
)
def test_the_log_tells_what_became_of_a_rating(
    answer: bytes, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[Any] = []
    monkeypatch.setattr("llm_proxy.records.request_log.teller", lambda *_: noted.append)
    with raw_upstream(answer) as upstream:
        client(STREAM_URL=upstream.url).post(FEEDBACK, json=RATING, buffered=True)
    ((facts,),) = [exchange.notes for exchange in noted]
    assert facts == {"upstream_words": 0, "upstream_citations": 0, **told}


@pytest.mark.parametrize("answer", [answering({}, status="403 No"), head("Content-Type: x/y"), b""])
def test_the_setting_that_names_the_address_is_the_one_to_check(answer: bytes) -> None:
    with raw_upstream(answer) as upstream:
        _, body = rated(upstream, RATING, STREAM_RATING_URL=upstream.url)
    assert "STREAM_RATING_URL" in body["error"]["message"]
    assert "STREAM_URL" not in body["error"]["message"]
    with raw_upstream(answer) as upstream:
        _, body = rated(upstream, RATING)
    assert "STREAM_URL" in body["error"]["message"]
