"""References to stored items, as clients send them in place of what was said before."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.builders import client, read

PATH = "/v1/responses"
TOOLS: list[Any] = [
    {"type": "function", "name": name, "parameters": {}} for name in ("alpha", "beta")
]


def asked(api: FlaskClient, *items: Any, **fields: Any) -> Any:
    return read(api.post(PATH, json={"model": "gpt-4o", "input": list(items), **fields}))


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def reference(name: str) -> dict[str, str]:
    return {"type": "item_reference", "id": name}


def test_what_is_referred_to_is_part_of_the_conversation() -> None:
    api = client(MOCK_REPLY="echo")
    first = asked(api, user("hello there"))
    (said,) = first["output"]
    by_name = asked(api, user("hello there"), reference(said["id"]), user("and now"))
    in_full = asked(api, user("hello there"), said, user("and now"))
    assert by_name["usage"] == in_full["usage"]
    assert by_name["output"][0]["content"] == in_full["output"][0]["content"]
    counted = api.post(
        f"{PATH}/input_tokens",
        json={"input": [user("hello there"), reference(said["id"]), user("and now")]},
    )
    assert read(counted)["input_tokens"] == in_full["usage"]["input_tokens"]


def test_a_call_that_is_referred_to_is_not_made_again() -> None:
    api = client()
    options = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}
    (call,) = asked(api, user("go"), **options)["output"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "done"}
    (further,) = asked(api, user("go"), reference(call["id"]), output, **options)["output"]
    assert (call["name"], further["name"]) == ("alpha", "beta")


@pytest.mark.parametrize("strict", ["0", "1"])
def test_what_is_referred_to_is_checked_as_if_it_were_there(strict: str) -> None:
    api = client(MOCK_STRICT=strict, MOCK_MODELS="gpt-4o")
    (call,) = asked(api, user("go"), tools=TOOLS[:1], tool_choice="required")["output"]
    refused = asked(api, user("go"), reference(call["id"]), user("and now")).get("error")
    assert (refused and refused["message"]) == (
        f"No tool output found for function call {call['call_id']}." if strict == "1" else None
    )


def test_items_of_the_input_can_be_referred_to_and_references_without_a_type_are_some() -> None:
    api = client(MOCK_REPLY="echo")
    first = asked(api, user("hello there"))
    (item,) = read(api.get(f"{PATH}/{first['id']}/input_items"))["data"]
    further = asked(api, {"id": item["id"]})
    assert further["output"][0]["content"][0]["text"] == "hello there"
    listed = read(api.get(f"{PATH}/{further['id']}/input_items"))["data"]
    assert listed == [item]


@pytest.mark.parametrize("name", ["resp_12", "mine-7"])
def test_items_of_a_reply_whose_id_a_fixture_sets_are_found(name: str, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    fixture = {"match": {"userMessage": "hello"}, "response": {"content": "x", "id": name}}
    file.write_text(json.dumps({"fixtures": [fixture]}))
    api = client(MOCK_FIXTURES=str(file), MOCK_REPLY="echo")
    (said,) = asked(api, user("hello"))["output"]
    assert said["id"] == f"msg_{name.removeprefix('resp_')}0"
    assert asked(api, reference(said["id"]), user("now"))["usage"]["input_tokens"] == 1


UNKNOWN = (
    "Item with id '{}' not found. Items are not persisted when `store` is set to false. "
    "Try again with `store` set to true, or remove this item from your input."
)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/input_tokens"])
def test_an_item_that_is_not_stored_is_not_found(path: str) -> None:
    api = client()
    unknown = ["msg_x", "msg_", "x", "", "rs_0i0"]
    unknown += [item["id"] for item in asked(api, user("hi"), store=False)["output"]]
    theirs = api.post(PATH, json={"input": "hi"}, headers={"Authorization": "Bearer other"})
    unknown += [item["id"] for item in read(theirs)["output"]]
    for name in unknown:
        answer = api.post(path, json={"model": "gpt-4o", "input": [reference(name)]})
        assert answer.status_code == 404
        assert read(answer)["error"] == {
            "message": UNKNOWN.format(name),
            "type": "invalid_request_error",
            "param": "input",
            "code": None,
        }


@pytest.mark.parametrize(
    ("item", "param"),
    [({"type": "item_reference"}, "input[0].id"), ({"id": 5}, "input[0].id")],
)
def test_a_reference_without_a_name_is_refused(item: Any, param: str) -> None:
    answer = client().post(PATH, json={"model": "gpt-4o", "input": [item]})
    assert (answer.status_code, read(answer)["error"]["param"]) == (400, param)


def test_strict_looks_at_the_conversation_that_a_request_goes_on_from() -> None:
    api = client(MOCK_STRICT="1", MOCK_MODELS="gpt-4o")
    first = asked(api, user("go"), tools=TOOLS[:1], tool_choice="required")
    call_id = first["output"][0]["call_id"]
    output = {"type": "function_call_output", "output": "done"}

    def further(*items: Any) -> Any:
        return asked(api, *items, previous_response_id=first["id"]).get("error")

    assert further(user("and now"))["message"] == (
        f"No tool output found for function call {call_id}."
    )
    assert further({**output, "call_id": "call_x"})["message"] == (
        "No tool call found for function call output with call_id call_x."
    )
    assert further({**output, "call_id": call_id}, user("and now")) is None
