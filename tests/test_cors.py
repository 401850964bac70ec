"""Pages in a browser may call the server where it is told to let them."""

import pytest
from werkzeug.test import TestResponse

from llm_proxy.settings import SettingsError, from_env
from tests.builders import chat_document, client, documents
from tests.servers import running_gunicorn

APP = "https://app.example"
OTHER = "https://other.example"
CHAT = "/v1/chat/completions"
ASKED = "authorization,content-type,x-stainless-arch,x-stainless-lang,x-custom"

EXPOSED = {
    "x-request-id",
    "openai-processing-ms",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
}


def preflight(
    origin: str = APP, method: str = "POST", headers: str | None = ASKED
) -> dict[str, str]:
    """What a browser sends before a request from a page of `origin`."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return asked if headers is None else {**asked, "Access-Control-Request-Headers": headers}


def cors_headers(answer: TestResponse) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in answer.headers.items()
        if name.lower().startswith("access-control-")
    }


def listed(value: str) -> set[str]:
    return {word.strip().lower() for word in value.split(",")}


@pytest.mark.parametrize("path", [CHAT, "/mock/v1/models", "/adapter/v1/feedback", "/v1/nothing"])
def test_a_preflight_is_answered_without_a_key(path: str) -> None:
    proxy = client(LLM_PROXY_CORS_ORIGINS=f"{APP},http://localhost:3000", LLM_PROXY_API_KEYS="k")
    answer = proxy.options(path, headers=preflight())
    assert (answer.status_code, answer.data) == (204, b"")
    headers = cors_headers(answer)
    assert listed(headers.pop("access-control-allow-methods")) >= {"get", "post", "delete"}
    assert listed(headers.pop("access-control-expose-headers")) >= EXPOSED
    assert headers == {
        "access-control-allow-origin": APP,
        "access-control-allow-credentials": "true",
        "access-control-allow-headers": ASKED,
        "access-control-max-age": "600",
    }
    assert "origin" in listed(answer.headers["Vary"])
    assert answer.headers["x-request-id"].startswith("req_")


def test_a_preflight_that_asks_for_no_headers_is_told_of_the_usual_ones() -> None:
    proxy = client(LLM_PROXY_CORS_ORIGINS=APP)
    answer = proxy.options(CHAT, headers=preflight(headers=None))
    assert listed(answer.headers["Access-Control-Allow-Headers"]) == {
        "authorization",
        "content-type",
    }


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize("path", ["/mock" + CHAT, "/mock/v1/nothing", "/adapter/v1/embeddings"])
@pytest.mark.parametrize("key", ["right", "wrong"])
def test_answers_streams_and_errors_carry_the_headers(path: str, stream: bool, key: str) -> None:
    proxy = client(LLM_PROXY_CORS_ORIGINS=APP, LLM_PROXY_API_KEYS="right")
    answer = proxy.post(
        path,
        json=chat_document(stream=stream),
        headers={"Origin": APP, "Authorization": f"Bearer {key}"},
    )
    assert (answer.status_code == 200) == (path == "/mock" + CHAT and key == "right")
    headers = cors_headers(answer)
    assert listed(headers.pop("access-control-expose-headers")) >= EXPOSED
    assert headers == {
        "access-control-allow-origin": APP,
        "access-control-allow-credentials": "true",
    }


@pytest.mark.parametrize(
    "origin", [OTHER, "https://app.example:8443", "http://app.example", "null"]
)
def test_an_origin_that_is_not_listed_gets_no_header(origin: str) -> None:
    proxy = client(LLM_PROXY_CORS_ORIGINS=APP)
    for answer in (
        proxy.options(CHAT, headers=preflight(origin)),
        proxy.post(CHAT, json=chat_document(), headers={"Origin": origin}),
    ):
        assert cors_headers(answer) == {}
        assert listed(answer.headers["Vary"]) == {"origin"}


def test_a_request_of_no_page_gets_no_header() -> None:
    for origins in (APP, "*"):
        assert cors_headers(client(LLM_PROXY_CORS_ORIGINS=origins).get("/v1/models")) == {}


def test_every_origin_is_allowed_by_a_star_but_without_cookies() -> None:
    proxy = client(LLM_PROXY_CORS_ORIGINS="*")
    for answer in (
        proxy.options(CHAT, headers=preflight(OTHER)),
        proxy.post(CHAT, json=chat_document(), headers={"Origin": "null"}),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_without_the_setting_nothing_is_said() -> None:
    proxy = client()
    answer = proxy.options(CHAT, headers=preflight())
    assert (answer.status_code, cors_headers(answer)) == (200, {})
    assert "Vary" not in answer.headers


def test_options_that_are_no_preflight_tell_the_methods() -> None:
    answer = client(LLM_PROXY_CORS_ORIGINS=APP).options(CHAT, headers={"Origin": APP})
    assert listed(answer.headers["Allow"]) >= {"options", "post"}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("https://app.example/", "'https://app.example/'"),
        ("app.example", "'app.example'"),
        ("https://app.example/x?y", "'https://app.example/x?y'"),
        ("https://ann:pw@app.example", "'https://***@app.example'"),
    ],
)
def test_what_is_no_origin_is_refused(raw: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_env({"LLM_PROXY_CORS_ORIGINS": raw})
    assert refused.value.problems == [
        f"LLM_PROXY_CORS_ORIGINS: {problem} is not an origin like https://app.example:8443"
    ]


def test_a_star_stands_alone() -> None:
    with pytest.raises(SettingsError) as refused:
        from_env({"LLM_PROXY_CORS_ORIGINS": f"*,{APP}"})
    assert refused.value.problems == [
        "LLM_PROXY_CORS_ORIGINS: * allows every origin; name no other beside it"
    ]


@pytest.mark.parametrize(
    "origin", ["app://obsidian.md", "vscode-webview://abc", "HTTPS://App.Example"]
)
def test_an_origin_may_have_any_scheme(origin: str) -> None:
    proxy = client(LLM_PROXY_CORS_ORIGINS=origin)
    sent = origin.lower()
    answer = proxy.get("/v1/models", headers={"Origin": sent})
    assert answer.headers["Access-Control-Allow-Origin"] == sent


def test_a_page_can_stream_from_a_real_server() -> None:
    with running_gunicorn(LLM_PROXY_CORS_ORIGINS=APP, LLM_PROXY_API_KEYS="key") as server:
        asked = server.request("OPTIONS", CHAT, headers=preflight())
        assert (asked.status_code, asked.content) == (204, b"")
        assert asked.headers["Access-Control-Allow-Origin"] == APP
        streamed = server.request(
            "POST",
            CHAT,
            json=chat_document(stream=True),
            headers={"Origin": APP, "Authorization": "Bearer key"},
        )
        refused = server.request("POST", CHAT, json=chat_document(), headers={"Origin": APP})
    assert documents(streamed.content)[-1] == "[DONE]"
    assert (streamed.status_code, refused.status_code) == (200, 401)
    for answer in (streamed, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert listed(answer.headers["Vary"]) == {"origin"}
