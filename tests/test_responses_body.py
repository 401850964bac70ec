"""The response object: the JSON answer of the Responses API."""

import json
from typing import Any

import pytest
from openai.types.responses import Response

from llm_proxy.core.chat_request import ToolCall
from llm_proxy.core.reply import Choice, FinishReason, Reply, Usage
from llm_proxy.openai_api.responses.request import SURFACE, parse
from tests.builders import STAMP

FUNCTION = {"type": "function", "name": "search", "parameters": {}, "strict": False}


def answered(choice: Choice, usage: Usage | None = None, **fields: Any) -> dict[str, Any]:
    request = parse(json.dumps({"model": "gpt-4o", "input": "hi", **fields}).encode())
    answer: dict[str, Any] = json.loads(
        SURFACE.body(Reply((choice,), usage or Usage(1, 2)), request, STAMP)
    )
    Response.model_validate(answer)
    return answer


def text(said: str) -> dict[str, Any]:
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}


def test_a_response_has_every_key_that_the_api_requires() -> None:
    assert answered(Choice(("Hi ", "there")), Usage(5, 6, 2, 1)) == {
        "id": "resp_aaaaaaaaaaaa",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "background": False,
        "completed_at": 1_700_000_000,
        "conversation": None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "metadata": {},
        "model": "gpt-4o",
        "output": [
            {
                "type": "message",
                "id": "msg_aaaaaaaaaaaa0",
                "status": "completed",
                "role": "assistant",
                "content": [text("Hi there")],
            }
        ],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 5,
            "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
            "output_tokens": 6,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 11,
        },
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"instructions": "be brief", "max_output_tokens": 20, "store": False, "user": "u"},
        {"metadata": {"a": "b"}, "parallel_tool_calls": False, "service_tier": "flex"},
        {"temperature": 0, "top_p": 0.5, "top_logprobs": 3, "truncation": "auto"},
        {"tools": [{**FUNCTION, "description": None}], "tool_choice": "none"},
        {
            "tools": [{**FUNCTION, "description": "d"}],
            "tool_choice": {"type": "function", "name": "search"},
        },
        {"tools": [{"type": "custom", "name": "grep", "format": {"type": "text"}}]},
        {"tools": [{"type": "web_search"}], "previous_response_id": "resp_1"},
        {"reasoning": {"effort": "low", "summary": "auto"}, "background": True},
        {"text": {"format": {"type": "json_object"}, "verbosity": "low"}},
        {"conversation": {"id": "conv_1"}, "safety_identifier": "s", "prompt_cache_key": "k"},
    ],
)
def test_what_was_asked_is_repeated(fields: dict[str, Any]) -> None:
    answer = answered(Choice(("Hi",)), **fields)
    assert {name: answer[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "repeated"),
    [
        (
            {"tools": [{"type": "function", "name": "f"}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "name": "f",
                        "description": None,
                        "parameters": None,
                        "strict": True,
                    }
                ]
            },
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": {}}}},
            {
                "text": {
                    "format": {"type": "json_schema", "name": "x", "schema": {}, "strict": False},
                    "verbosity": "medium",
                }
            },
        ),
        ({"conversation": "conv_1"}, {"conversation": {"id": "conv_1"}}),
        ({"metadata": None, "temperature": None}, {"metadata": {}, "temperature": 1.0}),
    ],
)
def test_what_was_left_out_is_filled_in(fields: dict[str, Any], repeated: dict[str, Any]) -> None:
    answer = answered(Choice(("Hi",)), **fields)
    assert {name: answer[name] for name in repeated} == repeated


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_the_status_tells_how_the_reply_ended(
    reason: FinishReason, status: str, details: object
) -> None:
    answer = answered(Choice(("Hi",), reasoning="hm", reason=reason))
    assert (answer["status"], answer["incomplete_details"]) == (status, details)
    assert [item["status"] for item in answer["output"]] == ["completed", status]


def test_the_output_is_reasoning_then_message_then_calls() -> None:
    choice = Choice(
        ("Let me look.",),
        reasoning="hm",
        refusal="No.",
        tool_calls=(ToolCall("call_1", "search", "{}"), ToolCall("call_2", "grep", "x")),
        reason="tool_calls",
    )
    tools = [FUNCTION, {"type": "custom", "name": "grep"}]
    assert answered(choice, tools=tools)["output"] == [
        {
            "type": "reasoning",
            "id": "rs_aaaaaaaaaaaa0",
            "status": "completed",
            "summary": [{"type": "summary_text", "text": "hm"}],
        },
        {
            "type": "message",
            "id": "msg_aaaaaaaaaaaa1",
            "status": "completed",
            "role": "assistant",
            "content": [text("Let me look."), {"type": "refusal", "refusal": "No."}],
        },
        {
            "type": "function_call",
            "id": "fc_aaaaaaaaaaaa2",
            "status": "completed",
            "call_id": "call_1",
            "name": "search",
            "arguments": "{}",
        },
        {
            "type": "custom_tool_call",
            "id": "ctc_aaaaaaaaaaaa3",
            "status": "completed",
            "call_id": "call_2",
            "name": "grep",
            "input": "x",
        },
    ]


@pytest.mark.parametrize(
    ("choice", "types"),
    [
        (Choice(), ["message"]),
        (Choice(reasoning="hm"), ["reasoning"]),
        (Choice(refusal="No."), ["message"]),
        (Choice(tool_calls=(ToolCall("c", "search", "{}"),)), ["function_call"]),
    ],
)
def test_an_item_is_there_only_if_it_says_something(choice: Choice, types: list[str]) -> None:
    assert [item["type"] for item in answered(choice)["output"]] == types


def test_a_response_lists_its_citations() -> None:
    assert answered(Choice(("Hi",), citations=("1", "22")))["citations"] == ["1", "22"]


def test_log_probabilities_are_there_when_asked_for() -> None:
    fields: dict[str, Any] = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    entries = answered(Choice(("a", "", "b")), **fields)["output"][0]["content"][0]["logprobs"]
    assert [(entry["token"], len(entry["top_logprobs"])) for entry in entries] == [
        ("a", 2),
        ("b", 2),
    ]


def test_reasoning_that_is_wanted_encrypted_has_something_to_be_sent_again() -> None:
    thought = Choice(("Hi.",), reasoning="Let me think.")
    plain, _ = answered(thought)["output"]
    sealed, message = answered(thought, include=["reasoning.encrypted_content"])["output"]
    assert sealed == {**plain, "encrypted_content": sealed["encrypted_content"]}
    assert sealed["encrypted_content"]
    assert "encrypted_content" not in message
    asked = {"model": "gpt-4o", "input": [sealed, {"role": "user", "content": "And now?"}]}
    assert [one.text for one in parse(json.dumps(asked).encode()).messages] == ["And now?"]
