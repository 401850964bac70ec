"""The whole adapter half against the real stand-in, a FastAPI process of its own."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from tests.builders import chat_document, client
from tests.legacy_process import running_legacy

GENERATIONS = ["text", "literal", "json"]
QUESTION = """is it's "naïve" & 100 % {sure}? 42 None"""
CITATIONS = ["1", "22", "333"]
BLOCK = "\n\n**Citations:**\n\n- 1\n- 22\n- 333"
QUERY = "topNDocuments=3&sessionID=12345"


@pytest.fixture(scope="module", params=GENERATIONS)
def legacy(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A generation, and the base URL of a stand-in that speaks it."""
    with running_legacy(LEGACY_GENERATION=request.param) as base_url:
        yield request.param, base_url


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    with running_legacy(LEGACY_TOKEN="s3cret") as base_url:
        yield base_url


def adapter(base_url: str, query: str = QUERY, **environ: str) -> FlaskClient:
    return client(LLM_PROXY_V1="adapter", STREAM_URL=f"{base_url}/stream?{query}", **environ)


def answer(proxy: FlaskClient, question: str = QUESTION) -> dict[str, Any]:
    response = proxy.post("/v1/chat/completions", json=chat_document(question))
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.get_json()
    return body


def chunks(proxy: FlaskClient, question: str = QUESTION) -> list[dict[str, Any]]:
    document = chat_document(question, stream=True, stream_options={"include_usage": True})
    response = proxy.post("/v1/chat/completions", json=document)
    assert (response.status_code, response.mimetype) == (200, "text/event-stream")
    *events, done, rest = response.get_data(as_text=True).split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(event.removeprefix("data: ")) for event in events]


def expected(generation: str) -> tuple[str, list[str]]:
    """The text and the citations; the oldest generation has none."""
    if generation == "text":
        return QUESTION, []
    return QUESTION + BLOCK, CITATIONS


def state_of(base_url: str) -> dict[str, Any]:
    with requests.Session() as session:
        session.trust_env = False
        state: dict[str, Any] = session.get(f"{base_url}/_standin/state", timeout=30).json()
    return state


def test_a_json_answer_holds_the_words_and_the_citations(legacy: tuple[str, str]) -> None:
    generation, base_url = legacy
    text, citations = expected(generation)
    body = answer(adapter(base_url))
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": text,
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert body.get("citations", []) == citations


def test_a_stream_is_cut_by_words_and_the_block_stands_alone(legacy: tuple[str, str]) -> None:
    generation, base_url = legacy
    text, citations = expected(generation)
    first, *words = QUESTION.split()
    *said, finish, usage = chunks(adapter(base_url))
    assert [chunk["choices"][0]["delta"]["content"] for chunk in said] == [
        "",
        first,
        *(f" {word}" for word in words),
        *([BLOCK] if citations else []),
    ]
    assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "stop")
    assert finish.get("citations", []) == citations
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], -(-len(text) // 4))


def test_a_stream_and_a_json_answer_agree(legacy: tuple[str, str]) -> None:
    proxy = adapter(legacy[1])
    body, streamed = answer(proxy), chunks(proxy)
    *said, finish, usage = streamed
    text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in said)
    assert body["choices"][0]["message"]["content"] == text
    assert body["choices"][0]["finish_reason"] == finish["choices"][0]["finish_reason"]
    assert body["usage"] == usage["usage"]
    assert body.get("citations") == finish.get("citations")


def test_done_is_accepted() -> None:
    with running_legacy(LEGACY_DONE="1", LEGACY_GENERATION="json") as base_url:
        content = answer(adapter(base_url))["choices"][0]["message"]["content"]
    assert content == QUESTION + BLOCK


def test_question_and_session_reach_the_legacy_api(legacy: tuple[str, str]) -> None:
    base_url = legacy[1]
    answer(adapter(base_url, "topNDocuments=1&sessionID=a%20b"), "what is new?")
    state = state_of(base_url)
    assert (state["queries"][-1], state["sessions"][-1]) == ("what is new?", "a b")


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_the_number_of_documents_reaches_the_legacy_api(guarded: str, limit: int) -> None:
    proxy = adapter(guarded, f"topNDocuments={limit}", STREAM_BEARER_TOKEN="s3cret")
    assert answer(proxy).get("citations", []) == CITATIONS[:limit]


def test_without_a_question_the_legacy_api_is_not_asked(guarded: str) -> None:
    before = state_of(guarded)["queries"]
    response = adapter(guarded, STREAM_BEARER_TOKEN="s3cret").post(
        "/v1/chat/completions", json=chat_document(" ")
    )
    assert (response.status_code, response.get_json()["error"]["param"]) == (400, "messages")
    assert state_of(guarded)["queries"] == before


@pytest.mark.parametrize(
    "login",
    [
        {"STREAM_BEARER_TOKEN": "s3cret"},
        {"STREAM_COOKIE": "theme=dark; session=s3cret"},
        {"STREAM_HEADERS": '{"Authorization": "Bearer s3cret"}'},
    ],
    ids=lambda login: next(iter(login)),
)
def test_credentials_open_the_legacy_api(guarded: str, login: Mapping[str, str]) -> None:
    assert answer(adapter(guarded, **login))["citations"] == CITATIONS


@pytest.mark.parametrize(
    "login",
    [
        {},
        {"STREAM_BEARER_TOKEN": "expired"},
        {"STREAM_COOKIE": "session=expired"},
    ],
    ids=["none", "token", "cookie"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
def test_an_expired_login_is_an_error_of_the_upstream(
    guarded: str, login: Mapping[str, str], stream: bool
) -> None:
    response = adapter(guarded, **login).post(
        "/v1/chat/completions", json=chat_document(stream=stream)
    )
    assert (response.status_code, response.get_json()) == (
        502,
        {
            "error": {
                "message": "The legacy search API answered with HTTP status 302. "
                "Check STREAM_URL and the credentials (STREAM_BEARER_TOKEN, STREAM_COOKIE).",
                "type": "upstream_error",
                "param": None,
                "code": "upstream_status",
            }
        },
    )


def test_a_wrong_name_of_the_query_parameter_is_an_error_of_the_upstream(guarded: str) -> None:
    proxy = adapter(guarded, STREAM_QUERY_PARAM="q", STREAM_BEARER_TOKEN="s3cret")
    response = proxy.post("/v1/chat/completions", json=chat_document())
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (502, "upstream_status")
    assert "status 422" in error["message"]


def test_another_page_of_the_legacy_api_is_no_stream(guarded: str) -> None:
    proxy = client(LLM_PROXY_V1="adapter", STREAM_URL=f"{guarded}/home")
    response = proxy.post("/v1/chat/completions", json=chat_document())
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (502, "upstream_not_a_stream")
    assert "text/html" in error["message"]


SURFACES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "completions": ("/v1/completions", {"model": "m", "prompt": QUESTION}),
    "responses": ("/v1/responses", {"model": "m", "input": QUESTION}),
    "fill in the middle": ("/v1/fim/completions", {"model": "m", "prompt": QUESTION}),
}


def text_of(body: Mapping[str, Any]) -> str:
    """The text of an answer, wherever its surface has it."""
    if "output" in body:
        return "".join(part["text"] for part in body["output"][0]["content"])
    choice = body["choices"][0]
    return str(choice["text"] if "text" in choice else choice["message"]["content"])


@pytest.mark.parametrize("surface", SURFACES)
def test_the_other_surfaces_say_the_same(legacy: tuple[str, str], surface: str) -> None:
    generation, base_url = legacy
    path, document = SURFACES[surface]
    text, citations = expected(generation)
    body = adapter(base_url).post(path, json=document).get_json()
    assert (text_of(body), body.get("citations", [])) == (text, citations)
    streamed = adapter(base_url).post(path, json={**document, "stream": True}, buffered=True).text
    for word in text.split():
        assert json.dumps(word, ensure_ascii=False)[1:-1] in streamed


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/moderations", "/v1/rerank"])
def test_what_a_search_cannot_answer_says_where_to_turn(path: str) -> None:
    answer = client(LLM_PROXY_V1="adapter").post(path, json={"input": "hi"})
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"]) == (404, "not_served")
    assert "/mock/v1" in error["message"]


def test_every_choice_of_a_search_is_the_same(legacy: tuple[str, str]) -> None:
    generation, base_url = legacy
    document = chat_document(QUESTION, n=2)
    body = adapter(base_url).post("/v1/chat/completions", json=document).get_json()
    texts = [choice["message"]["content"] for choice in body["choices"]]
    assert texts == [expected(generation)[0]] * 2
    assert state_of(base_url)["queries"][-1] == QUESTION
