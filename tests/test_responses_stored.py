"""Stored responses: what can be asked about them afterwards."""

import json
from typing import Any

import pytest
from openai.types.responses import ResponseItemList

from llm_proxy.core.reply import Choice, Reply, Usage
from llm_proxy.errors import InvalidRequest, NotStored
from llm_proxy.openai_api.resource import Call
from llm_proxy.openai_api.responses import stored as responses_stored
from llm_proxy.openai_api.responses.request import SURFACE, parse
from llm_proxy.store import Store, Stored
from tests.builders import STAMP, client, empty_store

ID = f"resp_{STAMP.id}"


def store(sent: object = "hi", **fields: Any) -> Store:
    """A store with one response in it."""
    request = parse(json.dumps({"model": "gpt-4o", "input": sent, **fields}).encode())
    reply = Reply((Choice(("Hi there.",)),), Usage(1, 2))
    document = json.loads(SURFACE.body(reply, request, STAMP))
    kept = empty_store()
    kept.put(Stored(id=ID, endpoint="responses", request=request, document=document, reply=reply))
    return kept


def asked(
    path: str,
    kept: Store,
    name: str = ID,
    method: str = "GET",
    document: object = None,
    **query: str,
) -> Any:
    """What the resource at `path` answers."""
    answers = {f"{one.method} {one.path}": one.answer for one in responses_stored.RESOURCES}
    body = json.dumps(document).encode()
    call = Call(store=kept, names={"id": name}, query=query, document=body)
    return json.loads(answers[f"{method} {path}"](call).body)


def test_a_stored_response_is_shown_as_it_was() -> None:
    kept = store()
    stored = kept.get("responses", ID)
    assert stored is not None
    assert asked("/responses/<id>", kept) == stored.document


def test_a_response_can_be_deleted_once() -> None:
    kept = store()
    gone = {"id": ID, "object": "response", "deleted": True}
    assert asked("/responses/<id>", kept, method="DELETE") == gone
    with pytest.raises(NotStored):
        asked("/responses/<id>", kept, method="DELETE")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/responses/<id>"),
        ("DELETE", "/responses/<id>"),
        ("GET", "/responses/<id>/input_items"),
        ("POST", "/responses/<id>/cancel"),
    ],
)
def test_an_unknown_response_is_not_found(method: str, path: str) -> None:
    with pytest.raises(NotStored) as refused:
        asked(path, store(), name="resp_x", method=method)
    error = refused.value
    assert (error.status, error.type, error.param, error.code, error.message) == (
        404,
        "invalid_request_error",
        None,
        None,
        "Response with id 'resp_x' not found.",
    )


def test_a_finished_response_cannot_be_cancelled() -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked("/responses/<id>/cancel", store(), method="POST")
    assert refused.value.message == "Cannot cancel a completed response."


def test_a_text_is_listed_as_a_message() -> None:
    item = {
        "id": f"msg_{STAMP.id}i0",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}],
    }
    assert asked("/responses/<id>/input_items", store()) == {
        "object": "list",
        "data": [item],
        "first_id": item["id"],
        "last_id": item["id"],
        "has_more": False,
    }


ITEMS = [
    {"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]},
    {"role": "assistant", "content": "Let me look."},
    {"type": "reasoning", "id": "rs_1", "summary": [], "content": None},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc_1"},
    {"type": "function_call_output", "call_id": "c", "output": "42", "id": None},
    {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
    {"type": "custom_tool_call_output", "call_id": "d", "output": "y"},
]


def test_items_are_listed_in_their_long_form_the_last_one_first() -> None:
    page = asked("/responses/<id>/input_items", store(ITEMS))
    ResponseItemList.model_validate(page)
    assert [item["id"] for item in page["data"]] == [
        f"ctco_{STAMP.id}i6",
        f"ctc_{STAMP.id}i5",
        f"fco_{STAMP.id}i4",
        "fc_1",
        "rs_1",
        f"msg_{STAMP.id}i1",
        f"msg_{STAMP.id}i0",
    ]
    assert page["data"][-1]["content"] == [
        {"type": "input_image", "file_id": "file-1", "detail": "auto"}
    ]


def test_items_come_in_pages() -> None:
    kept = store(ITEMS)
    first = asked("/responses/<id>/input_items", kept, limit="3", order="asc")
    rest = asked("/responses/<id>/input_items", kept, order="asc", after=first["last_id"])
    ids = [item["id"] for item in first["data"] + rest["data"]]
    assert (len(first["data"]), first["has_more"], rest["has_more"]) == (3, True, False)
    assert ids == [item["id"] for item in asked("/responses/<id>/input_items", kept)["data"]][::-1]


@pytest.mark.parametrize(
    ("document", "tokens"),
    [
        ({}, 0),
        ({"input": "12345678"}, 2),
        ({"model": "gpt-4o", "input": [{"role": "user", "content": "1234"}]}, 1),
        ({"input": "1234", "instructions": "1234"}, 2),
        ({"input": "1234567", "previous_response_id": ID}, 5),
        ({"input": "", "tools": [{"type": "web_search"}], "tool_choice": "auto"}, 0),
    ],
)
def test_input_tokens_are_counted(document: object, tokens: int) -> None:
    counted = asked("/responses/input_tokens", store(), method="POST", document=document)
    assert counted == {"object": "response.input_tokens", "input_tokens": tokens}


def test_a_wrong_input_is_not_counted() -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked("/responses/input_tokens", store(), method="POST", document={"input": [5]})
    assert refused.value.param == "input[0]"


def test_items_with_parts_of_any_kind_are_listed() -> None:
    api = client()
    odd = {"type": "reasoning", "summary": [], "content": ["x", {"type": ["y"]}]}
    name = api.post("/v1/responses", json={"model": "m", "input": [odd]}).get_json()["id"]
    page = api.get(f"/v1/responses/{name}/input_items").get_json()
    assert [one["content"] for one in page["data"]] == [odd["content"]]


def test_a_conversation_is_gone_on_with_only_by_whoever_began_it() -> None:
    api = client()
    owner, other = ({"Authorization": f"Bearer {key}"} for key in "ab")
    begun = api.post("/v1/responses", json={"model": "gpt-4o", "input": "hi"}, headers=owner)
    further = {"model": "gpt-4o", "input": "and?", "previous_response_id": begun.get_json()["id"]}
    for path in ("/v1/responses", "/v1/responses/input_tokens"):
        assert api.post(path, json=further, headers=other).status_code == 400
        assert api.post(path, json=further, headers=owner).status_code == 200
