"""The front serves what Flask would: the same requests by either way have the same answers."""

import gc
import json
import re
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from llm_proxy import create_app
from llm_proxy.records.exchange import Exchange
from llm_proxy.settings import from_env
from llm_proxy.shell.front import Front
from tests.builders import chat_document

CHAT = "/v1/chat/completions"
KEY = {"Authorization": "Bearer right"}

_MADE_UP = re.compile(
    r"(?:req_|chatcmpl-|cmpl-|resp_|msg_)[0-9a-f]+|\"(?:created|completed)(?:_at)?\":\d+|[0-9.]+m?s\b"
)

CASES: dict[str, dict[str, Any]] = {
    "json": {"json": chat_document()},
    "stream": {"json": chat_document(stream=True)},
    "completion": {"path": "/v1/completions", "json": {"model": "m", "prompt": "hi"}},
    "response": {"path": "/mock/v1/responses", "json": {"model": "m", "input": "hi"}},
    "the other half": {"path": "/adapter/v1/chat/completions", "json": chat_document("")},
    "no json": {"data": b"{"},
    "nothing": {"data": b""},
    "too large": {"data": b" " * 2000},
    "wrong field": {"json": {"model": "m", "messages": []}},
    "no key": {"headers": {}, "json": chat_document()},
    "another key": {"headers": {"Authorization": "Bearer wrong"}, "json": chat_document()},
    "status": {"headers": KEY | {"X-Mock-Status": "429"}, "json": chat_document()},
    "fault": {
        "headers": KEY | {"X-Mock-Fault": "truncate; after=1"},
        "json": chat_document(stream=True),
    },
    "fault of a document": {
        "headers": KEY | {"X-Mock-Fault": "malformed"},
        "json": chat_document(),
    },
    "impossible fault": {"headers": KEY | {"X-Mock-Fault": "reset"}, "json": chat_document()},
}


def asked(path: str = CHAT, headers: dict[str, str] | None = None, **body: Any) -> list[Any]:
    """What a request is answered by the front, and what by Flask."""
    env = {"LLM_PROXY_API_KEYS": "right", "LLM_PROXY_MAX_BODY_BYTES": "1000"}
    answers = []
    for behind in (False, True):
        app = create_app(from_env(env))
        assert isinstance(app.wsgi_app, Front)
        if behind:
            app.wsgi_app = app.wsgi_app.behind  # type: ignore[method-assign, assignment]
        response = app.test_client().post(path, headers=KEY if headers is None else headers, **body)
        answers.append(told(response))
    return answers


def told(response: TestResponse) -> tuple[int, list[tuple[str, str]], str]:
    """An answer without what differs each time, and without its reason phrase.

    Nobody is to read that (RFC 9112, 4); newer versions of Python have other ones than Flask.
    """
    headers = [(name.lower(), _MADE_UP.sub("", value)) for name, value in response.headers]
    return (
        response.status_code,
        sorted((name, value) for name, value in headers if name != "openai-processing-ms"),
        _MADE_UP.sub("", response.get_data(as_text=True)),
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_front_answers_as_flask_does(case: dict[str, Any]) -> None:
    by_front, by_flask = asked(**case)
    assert by_front == by_flask


def test_a_crash_is_told_of_and_its_cause_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("llm_proxy.shell.views.count_prompt", crash)
    response = create_app(from_env({})).test_client().post(CHAT, json=chat_document())
    assert response.status_code == 500
    assert json.loads(response.data)["error"]["type"] == "server_error"
    assert response.headers["x-request-id"] in response.text
    assert "ZeroDivisionError: of ours" in capsys.readouterr().err


@pytest.mark.parametrize("path", [f"{CHAT}/", f"/{CHAT}", "/v1/models", "/health"])
def test_what_is_out_of_the_ordinary_is_left_to_flask(path: str) -> None:
    response = create_app(from_env({})).test_client().get(path)
    assert response.status_code in (200, 404, 405)
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("path", [f"/{CHAT}", CHAT.removeprefix("/")])
def test_what_is_answered_is_in_the_journal_however_its_path_begins(path: str) -> None:
    client = create_app(from_env({})).test_client()
    options = {"PATH_INFO": path}
    response = client.post("/", json=chat_document(), environ_overrides=options)
    assert response.status_code == 200
    (entry,) = json.loads(client.get("/control/requests").data)["data"]
    assert (entry["id"], entry["path"]) == (response.headers["x-request-id"], CHAT)


def test_a_path_that_is_empty_may_be_left_out() -> None:
    environ = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/here", "SERVER_NAME": "x"}
    environ |= {"SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    _, status, _ = run_wsgi_app(create_app(from_env({})), environ)
    assert status == "200 OK"


@pytest.mark.parametrize(
    "case",
    [
        {"data": b"{"},
        {"json": {"model": "m", "messages": []}},
        {"json": chat_document(), "headers": {"X-Mock-Status": "500"}},
        {"json": chat_document(stream=True), "headers": {"X-Mock-Status": "500"}},
        {"json": chat_document(stream=True), "headers": {"X-Mock-Fault": "error_event; after=1"}},
    ],
)
def test_a_request_that_failed_is_let_go_of_at_once(case: dict[str, Any]) -> None:
    """Its body may be long, and the next collection of garbage many such requests away."""
    app = create_app(from_env({}))
    gc.collect()
    gc.disable()
    try:
        before = {id(one) for one in gc.get_objects() if isinstance(one, Exchange)}
        for _ in range(3):
            environ = EnvironBuilder(CHAT, method="POST", **case).get_environ()
            run_wsgi_app(app.wsgi_app, environ, buffered=True)
        app.test_client().get("/control/requests").close()  # until all is written down
        left = [one for one in gc.get_objects() if isinstance(one, Exchange)]
        assert [one.path for one in left if id(one) not in before and one.path == CHAT] == []
    finally:
        gc.enable()
