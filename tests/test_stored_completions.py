"""Chat completions that were made with `store`, to be read, changed and deleted."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.builders import chat_document, client
from tests.client_tasks import TITLE
from tests.test_error_shape import error_of

CHAT = "/v1/chat/completions"


def made(api: FlaskClient, text: str = "hi", **fields: Any) -> dict[str, Any]:
    answer = api.post(CHAT, json=chat_document(text, store=True, **fields))
    completion: dict[str, Any] = answer.get_json()
    return completion


def listed(api: FlaskClient, query: str = "") -> list[str]:
    page = api.get(f"{CHAT}{query}").get_json()
    assert page["object"] == "list"
    return [one["id"] for one in page["data"]]


def test_a_stored_completion_is_the_one_that_was_sent() -> None:
    api = client()
    completion = made(api, metadata={"team": "docs"})
    shown = api.get(f"{CHAT}/{completion['id']}").get_json()
    assert shown == {**completion, "metadata": {"team": "docs"}}


def test_a_streamed_completion_is_stored_when_it_is_complete() -> None:
    api = client()
    answer = api.post(CHAT, json=chat_document("hi", store=True, stream=True), buffered=True)
    (name,) = listed(api)
    assert name in answer.text
    stored = api.get(f"{CHAT}/{name}").get_json()
    assert stored["choices"] == made(api)["choices"]


def test_without_store_nothing_is_kept() -> None:
    api = client()
    api.post(CHAT, json=chat_document())
    assert listed(api) == []


def test_the_halves_keep_apart_and_v1_is_one_of_them() -> None:
    api = client()
    completion = made(api)
    assert api.get(f"/mock{CHAT}/{completion['id']}").status_code == 200
    assert api.get(f"/adapter{CHAT}/{completion['id']}").status_code == 404


def test_the_list_can_be_narrowed() -> None:
    api = client()
    first = made(api, metadata={"team": "docs"})["id"]
    second = made(api, metadata={"team": "web"})["id"]
    third = made(api)["id"]
    assert listed(api) == [first, second, third]
    assert listed(api, "?order=desc&limit=2") == [third, second]
    assert listed(api, f"?after={first}") == [second, third]
    assert listed(api, "?metadata[team]=web") == [second]
    assert listed(api, "?model=gpt-4o&limit=1") == [first]
    assert listed(api, "?model=other") == []


def test_a_page_says_where_it_ends() -> None:
    api = client()
    names = [made(api)["id"] for _ in range(3)]
    page = api.get(f"{CHAT}?limit=2").get_json()
    assert (page["first_id"], page["last_id"], page["has_more"]) == (names[0], names[1], True)
    empty = api.get(f"{CHAT}?model=other").get_json()
    assert (empty["data"], empty["first_id"], empty["has_more"]) == ([], None, False)


@pytest.mark.parametrize(
    ("query", "param"), [("?limit=101", "limit"), ("?limit=x", "limit"), ("?order=up", "order")]
)
def test_a_wrong_query_is_refused(query: str, param: str) -> None:
    answer = client().get(f"{CHAT}{query}")
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)


def test_metadata_can_be_replaced() -> None:
    api = client()
    path = f"{CHAT}/{made(api, metadata={'a': 'b'})['id']}"
    assert api.post(path, json={"metadata": {"c": "d"}}).get_json()["metadata"] == {"c": "d"}
    assert api.get(path).get_json()["metadata"] == {"c": "d"}
    refused = api.post(path, json={"metadata": {"c": 1}})
    assert (refused.status_code, error_of(refused)["param"]) == (400, "metadata.c")


def test_a_deleted_completion_is_gone() -> None:
    api = client()
    name = made(api)["id"]
    deleted = api.delete(f"{CHAT}/{name}").get_json()
    assert deleted == {"object": "chat.completion.deleted", "id": name, "deleted": True}
    answer = api.get(f"{CHAT}/{name}")
    assert (answer.status_code, error_of(answer)["type"]) == (404, "invalid_request_error")
    assert api.delete(f"{CHAT}/{name}").status_code == 404


def test_the_messages_that_were_answered_are_listed() -> None:
    api = client()
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": parts}]
    completion = made(api, messages=messages)
    page = api.get(f"{CHAT}/{completion['id']}/messages").get_json()
    assert [(one["role"], one["content"], one["content_parts"]) for one in page["data"]] == [
        ("system", "be brief", None),
        ("user", "hello", parts),
    ]


def test_parts_that_are_no_text_are_shown_but_not_read() -> None:
    api = client()
    parts = [{"type": "image_url", "image_url": {}, "text": 5}, {"type": "text", "text": "hi"}]
    completion = made(api, messages=[{"role": "user", "content": parts}])
    page = api.get(f"{CHAT}/{completion['id']}/messages").get_json()
    assert [(one["content"], one["content_parts"]) for one in page["data"]] == [("hi", parts)]


def headers_of(key: str = "", namespace: str = "") -> dict[str, str]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return {**headers, "X-Mock-Namespace": namespace} if namespace else headers


@pytest.mark.parametrize("half", ["/mock", "/adapter"])
@pytest.mark.parametrize(
    ("owner", "other"),
    [
        (headers_of("a"), headers_of("b")),
        (headers_of("a"), headers_of()),
        (headers_of(), headers_of("a")),
        (headers_of("a", namespace="x"), headers_of("a", namespace="y")),
    ],
)
def test_nobody_else_sees_changes_or_deletes_a_stored_completion(
    half: str, owner: dict[str, str], other: dict[str, str]
) -> None:
    api = client(STREAM_URL="http://localhost:9/")
    asked = chat_document(TITLE + "Birds sing.", store=True)  # the adapter asks nobody for it
    name = api.post(half + CHAT, json=asked, headers=owner).get_json()["id"]
    one = f"{half}{CHAT}/{name}"
    calls = [
        ("GET", one, None),
        ("POST", one, {"metadata": {"seen": "yes"}}),
        ("DELETE", one, None),
        ("GET", f"{one}/messages", None),
    ]
    for method, path, body in calls:
        answer = api.open(path, method=method, json=body, headers=other)
        assert answer.status_code == 404, method
    assert api.get(half + CHAT, headers=other).get_json()["data"] == []
    kept = api.get(half + CHAT, headers=owner).get_json()["data"]
    assert [(one["id"], one["metadata"]) for one in kept] == [(name, {})]


def test_all_keys_of_a_namespace_and_all_requests_without_either_share_what_is_stored() -> None:
    api = client()
    for first, second in (
        (headers_of("a", namespace="x"), headers_of("b", namespace="x")),
        (headers_of(), headers_of()),
    ):
        asked = chat_document("hi", store=True)
        name = api.post(CHAT, json=asked, headers=first).get_json()["id"]
        assert api.get(f"{CHAT}/{name}", headers=second).status_code == 200
        assert api.delete(f"{CHAT}/{name}", headers=second).status_code == 200
