"""Whatever goes wrong on whatever path, the answer has OpenAI's error shape."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from llm_proxy import create_app, errors
from llm_proxy.errors import ProxyError
from llm_proxy.settings import ServerSettings, Settings
from tests.builders import chat_document, client

BASES = ["/v1", "/mock/v1", "/adapter/v1"]


def error_of(answer: TestResponse) -> dict[str, Any]:
    """The error of an answer, after a check of the shape."""
    assert answer.mimetype == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    document = answer.get_json()
    assert list(document) == ["error"]
    error: dict[str, Any] = document["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert isinstance(error["message"], str)
    assert isinstance(error["type"], str)
    assert isinstance(error["param"], str | None)
    assert isinstance(error["code"], str | None)
    return error


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "type_", "param", "code"),
    [
        ("POST", "/chat/completions", b"{", 400, "invalid_request_error", None, "invalid_json"),
        ("POST", "/chat/completions", b"[]", 400, "invalid_request_error", None, None),
        (
            "POST",
            "/chat/completions",
            b"{}",
            400,
            "invalid_request_error",
            "model",
            "missing_required_parameter",
        ),
        (
            "PUT",
            "/chat/completions",
            b"",
            405,
            "invalid_request_error",
            None,
            "method_not_supported",
        ),
        ("POST", "/models", b"", 405, "invalid_request_error", None, "method_not_supported"),
        ("GET", "/nothing/here", b"", 404, "invalid_request_error", None, "unknown_url"),
        ("PROPFIND", "/nothing", b"", 404, "invalid_request_error", None, "unknown_url"),
    ],
)
def test_mistakes_of_the_client(
    base: str,
    method: str,
    path: str,
    body: bytes,
    status: int,
    type_: str,
    param: str | None,
    code: str | None,
) -> None:
    answer = client().open(base + path, method=method, data=body)
    error = error_of(answer)
    assert (answer.status_code, error["type"], error["param"], error["code"]) == (
        status,
        type_,
        param,
        code,
    )


def test_a_model_that_is_not_listed_is_shown_unless_strict() -> None:
    path = "/v1/models/unheard-of"
    assert client().get(path).get_json()["id"] == "unheard-of"
    refused = client(MOCK_STRICT="1").get(path)
    assert (refused.status_code, error_of(refused)["code"]) == (404, "model_not_found")


def test_only_a_fine_tuned_model_can_be_deleted() -> None:
    deleted = client().delete("/v1/models/ft:gpt-4o:us").get_json()
    assert deleted == {"id": "ft:gpt-4o:us", "object": "model", "deleted": True}
    assert client().delete("/v1/models/gpt-4o").status_code == 400


def test_a_wrong_method_is_told_which_are_right() -> None:
    answer = client().put("/v1/models/gpt-4o")
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/chat/completions", "/v2/models"])
def test_an_address_outside_the_bases_is_told_where_the_api_is(path: str) -> None:
    error = error_of(client().get(path))
    assert error["message"] == (
        f"Invalid URL (GET {path}). The API is below /v1, /mock/v1 and /adapter/v1; "
        "/control steers the mock."
    )


CHUNKED = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}


@pytest.mark.parametrize(
    ("size", "status", "code"),
    [(100, 400, "invalid_json"), (101, 413, "request_too_large"), (999, 413, "request_too_large")],
)
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused(
    declared: bool, size: int, status: int, code: str
) -> None:
    """Whether its length is declared, or it comes in chunks and is found to be too long."""
    app = create_app(Settings(server=ServerSettings(max_body_bytes=100)))
    body = b" " * size
    options: dict[str, Any] = (
        {"data": body}
        if declared
        else {"input_stream": io.BytesIO(body), "environ_overrides": CHUNKED}
    )
    answer = app.test_client().post("/v1/chat/completions", **options)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)


def test_a_crash_is_told_without_its_cause(capsys: pytest.CaptureFixture[str]) -> None:
    app = create_app(Settings())

    def crash() -> str:
        raise ZeroDivisionError("the cause")

    app.add_url_rule("/crash", view_func=crash)
    answer = app.test_client().get("/crash")
    error = error_of(answer)
    assert (answer.status_code, error["type"], error["code"]) == (
        500,
        "server_error",
        "internal_error",
    )
    assert answer.headers["x-request-id"] in error["message"]
    assert "cause" not in error["message"]
    assert "ZeroDivisionError: the cause" in capsys.readouterr().err


def classes(root: type[ProxyError] = ProxyError) -> Iterator[type[ProxyError]]:
    yield root
    for child in root.__subclasses__():
        yield from classes(child)


NEEDED: dict[type[ProxyError], dict[str, Any]] = {
    errors.MethodNotAllowed: {"allowed": "GET"},
    errors.PassedOn: {"status": 502, "type": "server_error"},
    errors.UpstreamBusy: {"retry_after_seconds": 1},
    errors.AsTold: {"status": 500, "type": "server_error"},
    errors.ScriptedError: {"status": 500, "type": "server_error"},
    errors.RateLimited: {"limit": "tokens", "headers": {}},
}
"""What some errors want to be told beside their message."""


@pytest.mark.parametrize("error", list(classes()), ids=lambda error: error.__name__)
def test_every_error_of_the_tree_is_rendered(error: type[ProxyError]) -> None:
    app = create_app(Settings())
    raised = error("No.", **NEEDED.get(error, {}))

    def fail() -> str:
        raise raised

    app.add_url_rule("/fail", view_func=fail)
    answer = app.test_client().get("/fail")
    assert answer.status_code == error.status
    assert error_of(answer)["message"] == "No."


def test_no_error_of_ours_makes_clients_misbehave() -> None:
    """Continue reruns on these words, and reads a leading number as a status."""
    answers = [
        client().post("/adapter/v1/chat/completions", json=chat_document()),
        client().post("/v1/chat/completions", data=b"{"),
        client().get("/529"),
    ]
    for answer in answers:
        message = error_of(answer)["message"]
        assert "overloaded" not in message.lower()
        assert not message[0].isdigit()


def with_keys() -> FlaskClient:
    return client(LLM_PROXY_API_KEYS="key-one,key-two")


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic key-one"])
def test_without_a_key_everything_but_health_is_refused(given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    for path in ("/v1/models", "/mock/v1/models", "/nothing"):
        answer = with_keys().get(path, headers=headers)
        assert (answer.status_code, error_of(answer)["code"]) == (401, "invalid_api_key")
    assert with_keys().get("/health", headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["key-one", "key-two"])
def test_each_of_the_keys_opens(key: str) -> None:
    answer = with_keys().get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200


def test_two_slashes_are_no_redirect() -> None:
    answer = client().get("/v1//models")
    assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_url")


def test_health_needs_no_key_with_a_slash_behind_it_either() -> None:
    assert with_keys().get("/health/").status_code == 200


def test_a_limit_of_any_size_is_accepted() -> None:
    document = chat_document(max_tokens=10**400)
    assert client().post("/v1/chat/completions", json=document).status_code == 200


@pytest.mark.parametrize("limit", ["9" * 5000, "-1", "\u0663", ""])
def test_a_page_of_no_size_is_refused(limit: str) -> None:
    answer = client().get("/v1/chat/completions", query_string={"limit": limit})
    assert (answer.status_code, error_of(answer)["param"]) == (400, "limit")
