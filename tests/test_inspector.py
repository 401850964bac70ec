"""The page without a browser: what is served, to whom, and how it is secured."""

from base64 import b64encode
from typing import Any

import pytest
from flask.testing import FlaskClient

from llm_proxy.inspector import ROWS
from tests.builders import chat_document, client, read

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def basic(password: str) -> str:
    return f"Basic {b64encode(f'anybody:{password}'.encode()).decode()}"


def asked(proxy: FlaskClient, document: dict[str, Any], **headers: str) -> str:
    """The id of a request that was answered to the end."""
    answer = proxy.post("/v1/chat/completions", json=document, headers=headers)
    answer.get_data()
    return answer.headers["x-request-id"]


def page(proxy: FlaskClient, path: str = "/", status: int = 200) -> str:
    answer = proxy.get(path)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    return answer.text


def test_a_newcomer_is_told_what_to_do_with_this_servers_address() -> None:
    text = page(client())
    assert "curl -N http://localhost/v1/chat/completions" in text
    assert "apiBase: http://localhost/v1" in text
    assert "Bearer KEY" not in text


@pytest.mark.parametrize("path", ["/", "/exchanges/req_nothing", "/assets/page.css", "/assets/no"])
def test_everything_is_served_under_a_strict_policy(path: str) -> None:
    headers = client().get(path).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_no_page_has_a_script_or_a_style_within() -> None:
    proxy = client()
    one = asked(proxy, chat_document(stream=True))
    for path in ("/", f"/exchanges/{one}", f"/exchanges/{one}/compare/{one}"):
        text = page(proxy, path)
        assert "<style" not in text
        assert "style=" not in text
        assert " onclick" not in text
        assert text.count("<script") == 1
        assert '<script type="module" src="/assets/' in text


def test_assets_may_be_kept_as_long_as_they_are_the_same() -> None:
    proxy = client()
    url = page(proxy).partition('<link rel="stylesheet" href="')[2].partition('"')[0]
    assert proxy.get(url).headers["Cache-Control"] == "private, max-age=31536000"
    assert proxy.get("/assets/page.css").headers["Cache-Control"] == "no-cache"
    assert proxy.get("/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["../view.py", "view.py", "page", ""])
def test_nothing_but_assets_is_served_as_one(name: str) -> None:
    assert client().get(f"/assets/{name}").status_code == 404


def test_the_list_has_pages() -> None:
    proxy = client()
    for number in range(ROWS + 1):
        asked(proxy, chat_document(f"number {number}"))
    text = page(proxy)
    assert text.count('class="open"') == ROWS
    older = text.partition("/?before=")[2].partition('"')[0]
    text = page(proxy, f"/?before={older}")
    assert text.count('class="open"') == 1
    assert "number 0<" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 2),
        ("?text=&path=&model=&status=&outcome=&namespace=&before=", 2),
        ("?status=4xx", 1),
        ("?outcome=done&path=chat", 1),
        ("?model=gpt-4o&text=marmalade", 1),
        ("?namespace=one", 1),
        ("?text=nobody+said+this", 0),
    ],
)
def test_filters_that_are_left_empty_ask_for_nothing(query: str, found: int) -> None:
    proxy = client()
    asked(proxy, chat_document("marmalade"), **{"X-Mock-Namespace": "one"})
    asked(proxy, chat_document("jam"), **{"X-Mock-Status": "404"})
    text = page(proxy, f"/{query}")
    assert text.count('class="open"') == found
    assert ("No exchange fits" in text) == (not found)


def test_a_filter_that_cannot_be_is_refused_on_the_page() -> None:
    text = page(client(), "/?status=teapot", 400)
    assert "neither a status nor a class of them" in text


def test_without_a_journal_the_page_says_why_it_is_empty() -> None:
    assert "There is no journal" in page(client(LLM_PROXY_JOURNAL="off"))


@pytest.mark.parametrize("path", ["/exchanges/req_nothing", "/exchanges/a/compare/b"])
def test_what_is_not_in_the_journal_is_said_to_be_missing(path: str) -> None:
    assert "Not in the journal" in page(client(), path, 404)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", b"no JSON <b>"),
        ("chat/completions", b'{"messages": "<b>"}'),
        ("chat/completions", b'{"model": "m", "messages": ' + b"[" * 400 + b"]" * 400 + b"}"),
        ("chat/completions", b""),
        ("chat/completions", b'"' + b"x" * 300_000 + b'"'),
        ("responses", b'{"model": "m", "input": "hi", "stream": true}'),
        ("completions", b'{"model": "m", "prompt": ["a", "b"], "n": 2}'),
        ("embeddings", b'{"model": "m", "input": [[1, 2], [3]]}'),
        ("rerank", b'{"model": "m", "query": "a", "documents": ["b", {"text": "c"}]}'),
        ("moderations", b'{"input": ["a"]}'),
        ("nothing", b"{}"),
    ],
)
def test_every_exchange_can_be_opened(path: str, body: bytes) -> None:
    proxy = client()
    answer = proxy.post(f"/v1/{path}", data=body)
    one = answer.headers["x-request-id"]
    answer.get_data()
    text = page(proxy, f"/exchanges/{one}")
    assert "<b>" not in text
    page(proxy, f"/exchanges/{one}/compare/{one}")


def test_a_key_may_be_given_as_a_password() -> None:
    proxy = client(LLM_PROXY_API_KEYS="one,two")

    def status(**headers: str) -> int:
        return proxy.get("/", headers=headers).status_code

    assert status() == 401
    assert status(Authorization="Bearer two") == 200
    assert status(Authorization=basic("two")) == 200
    assert status(Authorization=basic("three")) == 401
    assert status(Authorization="Basic !") == 401
    assert status(Authorization=basic("two"), Origin="https://other.example") == 401
    foreign = {"Authorization": basic("two"), "Sec-Fetch-Site": "cross-site"}
    assert status(**foreign) == 401
    assert status(**foreign, **{"Sec-Fetch-Mode": "navigate"}) == 200


def test_a_password_does_not_count_when_another_sites_page_asks() -> None:
    proxy = client(LLM_PROXY_API_KEYS="one", LLM_PROXY_CORS_ORIGINS="https://other.example")

    def status(origin: str) -> int:
        headers = {"Authorization": basic("one"), "Origin": origin}
        return proxy.post("/v1/chat/completions", json=chat_document(), headers=headers).status_code

    assert [status("http://localhost"), status("https://other.example")] == [200, 401]


@pytest.mark.parametrize(
    ("headers", "asked_for_one"),
    [
        ({}, False),
        ({"Accept": "*/*"}, False),
        ({"Accept": "text/html,*/*"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_only_browsers_are_asked_for_a_password(
    headers: dict[str, str], asked_for_one: bool
) -> None:
    answer = client(LLM_PROXY_API_KEYS="one").get("/v1/models", headers=headers)
    assert (answer.status_code, read(answer)["error"]["code"]) == (401, "invalid_api_key")
    assert ("WWW-Authenticate" in answer.headers) == asked_for_one


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://other.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    ],
)
def test_pages_of_other_sites_may_link_to_it_and_not_read_it(
    headers: dict[str, str], status: int
) -> None:
    proxy = client(LLM_PROXY_CORS_ORIGINS="*")
    assert proxy.get("/", headers=headers).status_code == status


def test_the_page_itself_is_not_in_the_journal() -> None:
    proxy = client()
    for _ in range(2):
        assert "Nothing was asked yet" in page(proxy)


@pytest.mark.parametrize(
    ("text", "shown"), [("password: PW11", "(not kept as it was sent"), ("hello PW11", "PW11")]
)
def test_a_stream_in_which_a_secret_was_found_is_not_shown_as_it_was_sent(
    text: str, shown: str
) -> None:
    proxy = client(MOCK_REPLY="echo")
    one = asked(proxy, chat_document(text, stream=True))
    told = page(proxy, f"/exchanges/{one}")
    assert ("PW11" in told) is ("password" not in text)
    assert shown in told.partition('aria-label="Body of the answer"')[2]


def test_of_many_warnings_the_page_tells_how_many_more_there_are() -> None:
    proxy = client()
    one = asked(proxy, chat_document() | {f"k{number}": 0 for number in range(1300)})
    assert "and 1,201 more" in page(proxy, f"/exchanges/{one}")
