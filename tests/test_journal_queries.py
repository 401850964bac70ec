"""What can be asked of the journal: filters, verification, the OpenAPI document."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from llm_proxy import create_app
from llm_proxy.journal.entry import MAX_REQUEST_BYTES
from llm_proxy.settings import Settings
from tests.builders import chat_document, client, read

CHAT = "/v1/chat/completions"
LONG = "x" * MAX_REQUEST_BYTES


@pytest.fixture(scope="module")
def caller() -> FlaskClient:
    """A client of a mock that was asked four things."""
    caller = client(MOCK_REPLY="echo")
    for namespace, path, body in (
        ("a", CHAT, chat_document("the Weather in 100% é")),
        ("a", "/v1/completions", {"model": "gpt-4o-mini", "prompt": "a poem"}),
        ("b", CHAT, {"model": "gpt-4o"}),
        ("b", "/v1/embeddings", {"model": "text-embedding-3-small", "input": "vectors"}),
    ):
        caller.post(path, json=body, headers={"X-Mock-Namespace": namespace}).close()
    return caller


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [3, 2, 1, 0]),
        ("path=chat", [2, 0]),
        ("path=/v1/emb", [3]),
        ("model=gpt-4o", [0]),
        ("status=400", [2]),
        ("status=2xx", [3, 1, 0]),
        ("outcome=refused", [2]),
        ("namespace=b", [3, 2]),
        ("text=weather", [0]),
        ("text=100%25+é", [0]),
        ("text=100_", []),
        ("text=poem&namespace=a", [1]),
        ("limit=2", [3, 2]),
        ("limit=4", [3, 2, 1, 0]),
        ("limit=2&namespace=b", [3, 2]),
    ],
)
def test_the_list_can_be_filtered(caller: FlaskClient, query: str, numbers: list[int]) -> None:
    everything = [one["id"] for one in read(caller.get("/control/requests"))["data"]][::-1]
    found = read(caller.get(f"/control/requests?{query}"))
    assert [everything.index(one["id"]) for one in found["data"]] == numbers
    assert found["has_more"] is (query == "limit=2")


@pytest.mark.parametrize("slash", ["/", "\\/"])
def test_a_url_is_found_whether_or_not_its_slashes_were_escaped(slash: str) -> None:
    proxy = client()
    body = json.dumps(chat_document("see https://site/a_b")).replace("/", slash)
    proxy.post(CHAT, data=body, content_type="application/json").close()
    for text, count in (("https://site/a_b", 1), ("https://site/axb", 0)):
        found = read(proxy.get("/control/requests", query_string={"text": text}))
        assert len(found["data"]) == count


def test_the_list_can_be_read_in_pages(caller: FlaskClient) -> None:
    seen: list[str] = []
    query = "?limit=3"
    while True:
        page = read(caller.get(f"/control/requests{query}"))
        seen += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        query = f"?limit=3&before={seen[-1]}"
    assert seen == [one["id"] for one in read(caller.get("/control/requests"))["data"]]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("status=4x", "status"),
        ("status=99", "status"),
        ("outcome=well", "outcome"),
        ("limit=0", "limit"),
        ("limit=0000000019999999999999999999", "limit"),
        ("brief=1", "brief"),
        ("modle=x", "modle"),
    ],
)
def test_a_wrong_query_is_refused(caller: FlaskClient, query: str, param: str) -> None:
    answer = caller.get(f"/control/requests?{query}")
    assert (answer.status_code, read(answer)["error"]["param"]) == (400, param)


def verify(caller: FlaskClient, **body: Any) -> Any:
    answer = caller.post("/control/verify", json=body)
    assert answer.status_code == 200, answer.data
    return read(answer)


@pytest.mark.parametrize(
    ("match", "times", "ok", "matched"),
    [
        ({"userMessage": "Weather"}, None, True, 1),
        ({"userMessage": "Weather"}, 1, True, 1),
        ({"userMessage": "Weather"}, 2, False, 1),
        ({"userMessage": "Weather"}, 0, False, 1),
        ({"userMessage": "nothing"}, 0, True, 0),
        ({"model": {"regex": "^gpt"}}, {"min": 1, "max": 2}, True, 2),
        ({"model": {"regex": "^gpt"}}, {"max": 1}, False, 2),
        ({"model": {"regex": "^gpt"}, "namespace": "b"}, 0, True, 0),
        ({"inputText": "vectors"}, None, True, 1),
        ({}, {"min": 2}, True, 2),
    ],
)
def test_it_can_be_verified_what_was_asked(
    caller: FlaskClient, match: Any, times: Any, ok: bool, matched: int
) -> None:
    told = verify(caller, match=match, **({} if times is None else {"times": times}))
    assert (told["ok"], told["matched"], len(told["requests"])) == (ok, matched, matched)


def test_a_miss_tells_of_the_nearest_requests(caller: FlaskClient) -> None:
    told = verify(caller, match={"userMessage": "rain", "model": "gpt-4o"}, times=3)
    assert (told["ok"], told["matched"], told["times"]) == (False, 0, {"min": 3, "max": 3})
    first = told["nearest"][0]
    assert first["question"] == "the Weather in 100% é"
    assert first["failed"] == ["userMessage: 'rain' is not in 'the Weather in 100% é'"]


@pytest.mark.parametrize(
    ("match", "times", "ok", "matched", "unknown"),
    [
        ({"userMessage": "x"}, 1, False, 0, 2),
        ({"userMessage": "x"}, 0, False, 0, 2),
        ({"userMessage": "x"}, {"max": 2}, True, 0, 2),
        ({"userMessage": "x", "toolName": "weather"}, 0, False, 0, 1),
        ({"model": "gpt-4o"}, 2, True, 2, 0),
        ({"model": "gpt-4o", "toolName": "weather"}, 1, True, 1, 0),
        ({"model": "gpt-4o-mini", "userMessage": "x"}, 0, True, 0, 0),
        ({"inputText": "x"}, 1, False, 0, 1),
        ({"endpoint": "embedding"}, 1, True, 1, 0),
    ],
)
def test_what_was_too_long_to_be_kept_counts_only_where_it_is_known_to_match(
    match: Any, times: Any, ok: bool, matched: int, unknown: int
) -> None:
    caller = client()
    tool = {"type": "function", "function": {"name": "weather"}}
    for path, body in (
        (CHAT, chat_document(LONG)),
        (CHAT, chat_document(LONG, tools=[tool])),
        (CHAT, {"model": 4, "messages": [LONG]}),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": LONG}),
    ):
        caller.post(path, json=body).close()
    told = verify(caller, match=match, times=times)
    assert (told["ok"], told["matched"], len(told["unknown"])) == (ok, matched, unknown)


@pytest.mark.parametrize(
    "body",
    [{}, {"match": {"usrMessage": "x"}}, {"match": {}, "times": -1}, {"match": {}, "time": 1}],
)
def test_what_cannot_be_verified_is_refused(caller: FlaskClient, body: Any) -> None:
    assert caller.post("/control/verify", json=body).status_code == 400


def test_every_route_is_in_the_openapi_document_and_nothing_else() -> None:
    app = create_app(Settings())
    document = read(app.test_client().get("/control/openapi.json"))
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    served = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("control.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == served
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names)
    assert _references(document) <= {
        f"#/components/schemas/{name}" for name in document["components"]["schemas"]
    }
    assert "security" not in document


FIXTURE = {"match": {"userMessage": "hi"}, "response": {"content": "Hi."}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/control/faults", {"status": 503, "times": 2, "retryAfter": 1}),
        ("/control/faults", {"kind": "reset", "times": None, "namespace": "a"}),
        ("/control/fixtures", FIXTURE),
        ("/control/fixtures", FIXTURE | {"times": 1, "namespace": "a"}),
        ("/control/fixtures", {"fixtures": [FIXTURE], "times": 1, "namespace": "a"}),
    ],
)
def test_what_is_taken_is_what_the_openapi_document_says(path: str, body: Any) -> None:
    caller = client()
    assert caller.post(path, json=body).status_code == 201
    document = read(caller.get("/control/openapi.json"))
    sent = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert problems(document, sent, body) == []
    assert problems(document, sent, {"nothing": "known"}) != []


@pytest.mark.parametrize("query", ["", "?brief=true"])
def test_the_list_is_what_the_openapi_document_says(caller: FlaskClient, query: str) -> None:
    document = read(caller.get("/control/openapi.json"))
    answered = document["paths"]["/control/requests"]["get"]["responses"]["200"]["content"]
    schema = answered["application/json"]["schema"]
    assert problems(document, schema, read(caller.get(f"/control/requests{query}"))) == []


def problems(document: Any, schema: Any, value: Any) -> list[str]:
    """What a value lacks to be what a schema in an OpenAPI document says."""
    whole = schema | {"components": document["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_the_openapi_document_tells_that_a_key_is_needed(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("the-key\n")
    for setting in (
        {"LLM_PROXY_API_KEYS": "the-key"},
        {"LLM_PROXY_API_KEYS_FILE": str(tmp_path / "keys")},
    ):
        headers = {"Authorization": "Bearer the-key"}
        answer = client(**setting).get("/control/openapi.json", headers=headers)
        assert read(answer)["security"] == [{"key": []}]


def _references(value: Any) -> set[str]:
    match value:
        case dict():
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(_references, value.values()))
        case list():
            return set().union(*map(_references, value))
        case _:
            return set()
