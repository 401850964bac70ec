"""What the chat completions surface takes, and how it refuses the rest."""

import json
from typing import Any

import pytest

from llm_proxy.core.chat_request import ChatRequest, Message, Tool, ToolCall, ToolChoice
from llm_proxy.errors import InvalidJSON, InvalidRequest
from llm_proxy.openai_api.chat.request import parse
from tests.builders import chat_document

TOOL = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


def parsed(document: object) -> ChatRequest:
    return parse(json.dumps(document).encode())


def with_messages(*messages: object) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": list(messages)}


def test_a_request_becomes_nouns() -> None:
    document = {
        **chat_document("What?", stream=True, stream_options={"include_usage": True}),
        "tools": [TOOL],
        "functions": [{"name": "old", "description": "an older one"}],
        "made_up": [1],
    }
    older = {"type": "function", "function": {"name": "old", "description": "an older one"}}
    assert parsed(document) == ChatRequest(
        model="gpt-4o",
        messages=(Message(role="user", text="What?"),),
        stream=True,
        include_usage=True,
        tools=(
            Tool(name="search", definition=TOOL, parameters={"type": "object"}),
            Tool(name="old", definition=older),
        ),
        tool_choice=ToolChoice("auto"),
        parallel_tool_calls=False,
        document=document,
        unknown=("made_up",),
    )


def test_every_role_and_form_of_content_is_understood() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    custom = {"id": "call_2", "type": "custom", "custom": {"name": "g", "input": "x"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts = [{"type": "text", "text": "one"}, image, {"type": "text", "text": "two"}]
    document = with_messages(
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": [{"type": "text", "text": "really"}]},
        {"role": "user", "content": parts, "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [call, custom]},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        {"role": "assistant", "refusal": "No."},
        {"role": "assistant", "function_call": {"name": "h", "arguments": "[]"}},
        {"role": "function", "name": "h", "content": None},
    )
    assert parsed(document).messages == (
        Message(role="system", text="be brief"),
        Message(role="developer", text="really"),
        Message(role="user", text="one\ntwo", attachments=1),
        Message(
            role="assistant",
            tool_calls=(ToolCall("call_1", "f", "{}"), ToolCall("call_2", "g", "x")),
        ),
        Message(role="tool", text="42", tool_call_id="call_1"),
        Message(role="assistant", text="No."),
        Message(role="assistant", tool_calls=(ToolCall("", "h", "[]"),)),
        Message(role="function"),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 0},
        {"stream": None, "stream_options": None, "tools": None, "temperature": None},
        {"temperature": 1, "top_p": 0.5, "stop": "x"},
        {"stop": ["x", "y"], "logit_bias": {"50256": -100}, "seed": -1},
        {"tools": [TOOL], "tool_choice": "auto"},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "search"}}},
        {"functions": [{"name": "old"}], "function_call": {"name": "old"}},
        {"response_format": {"type": "json_object"}, "metadata": {"a": "b"}},
    ],
)
def test_legal_parameters_are_accepted(fields: dict[str, Any]) -> None:
    assert parsed(chat_document(**fields)).unknown == ()


@pytest.mark.parametrize(
    ("fields", "understood"),
    [
        ({"stop": "x"}, {"stop": ("x",)}),
        ({"stop": ["x", "", "y"]}, {"stop": ("x", "y")}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 0}, {"max_tokens": 0}),
        ({"n": 3, "seed": 7, "store": True}, {"n": 3, "seed": 7, "store": True}),
        ({"n": 0}, {"n": 1}),
        ({"n": 1000}, {"n": 128}),
        ({"top_logprobs": 2}, {"top_logprobs": None}),
        ({"logprobs": True}, {"top_logprobs": 0}),
        ({"logprobs": True, "top_logprobs": 2}, {"top_logprobs": 2}),
        ({"response_format": {"type": "text"}}, {"schema": None}),
        ({"response_format": {"type": "json_object"}}, {"schema": {}}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "array"}},
                }
            },
            {"schema": {"type": "array"}},
        ),
        ({}, {"tool_choice": ToolChoice("none"), "parallel_tool_calls": True}),
        (
            {"tools": [TOOL], "parallel_tool_calls": False},
            {"tool_choice": ToolChoice("auto"), "parallel_tool_calls": False},
        ),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tool_choice": ToolChoice("required")}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "search"}}},
            {"tool_choice": ToolChoice("required", ("search",))},
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [TOOL]},
                },
            },
            {"tool_choice": ToolChoice("auto", ("search",))},
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": [{}]},
                },
            },
            {"tool_choice": ToolChoice("none")},
        ),
        (
            {"functions": [{"name": "old"}], "function_call": {"name": "old"}},
            {"tool_choice": ToolChoice("required", ("old",)), "parallel_tool_calls": False},
        ),
    ],
)
def test_parameters_are_understood(fields: dict[str, Any], understood: dict[str, Any]) -> None:
    request = parsed(chat_document(**fields))
    assert {name: getattr(request, name) for name in understood} == understood


@pytest.mark.parametrize(
    ("document", "param", "code", "message"),
    [
        (
            {"messages": [{"role": "user", "content": "hi"}]},
            "model",
            "missing_required_parameter",
            "Missing required parameter: 'model'.",
        ),
        (
            {"model": "m"},
            "messages",
            "missing_required_parameter",
            "Missing required parameter: 'messages'.",
        ),
        (
            with_messages(),
            "messages",
            "empty_array",
            "Invalid 'messages': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
        ),
        (
            {"model": "m", "messages": "hi"},
            "messages",
            "invalid_type",
            "Invalid type for 'messages': expected an array, but got a string instead.",
        ),
        (
            with_messages({"role": "user", "content": "a"}, {"role": "assistant"}, {"role": "x"}),
            "messages[2].role",
            "invalid_value",
            "Invalid value: 'x'. Supported values are: 'system', 'developer', 'user', "
            "'assistant', 'tool', and 'function'.",
        ),
        (
            with_messages({"role": "user", "content": 5}),
            "messages[0].content",
            "invalid_type",
            "Invalid type for 'messages[0].content': expected a string or an array, "
            "but got an integer instead.",
        ),
        (
            with_messages({"role": "user", "content": None}),
            "messages[0].content",
            "invalid_type",
            "Invalid type for 'messages[0].content': expected a string or an array, "
            "but got null instead.",
        ),
        (
            with_messages({"role": "user"}),
            "messages[0].content",
            "missing_required_parameter",
            "Missing required parameter: 'messages[0].content'.",
        ),
        (
            with_messages({"content": "hi"}),
            "messages[0].role",
            "missing_required_parameter",
            "Missing required parameter: 'messages[0].role'.",
        ),
        (
            with_messages("hi"),
            "messages[0]",
            "invalid_type",
            "Invalid type for 'messages[0]': expected an object, but got a string instead.",
        ),
        (
            with_messages({"role": "user", "content": [{"type": "video"}]}),
            "messages[0].content[0].type",
            "invalid_value",
            "Invalid value: 'video'. Supported values are: 'text', 'refusal', 'image_url', "
            "'input_audio', and 'file'.",
        ),
        (
            with_messages({"role": "user", "content": [{"type": "text", "text": 1}]}),
            "messages[0].content[0].text",
            "invalid_type",
            "Invalid type for 'messages[0].content[0].text': expected a string, "
            "but got an integer instead.",
        ),
        (
            with_messages({"role": "tool", "content": "42"}),
            "messages[0].tool_call_id",
            "missing_required_parameter",
            "Missing required parameter: 'messages[0].tool_call_id'.",
        ),
        (
            chat_document(stream="yes"),
            "stream",
            "invalid_type",
            "Invalid type for 'stream': expected a boolean, but got a string instead.",
        ),
        (
            chat_document(stream_options={"include_usage": 1}),
            "stream_options.include_usage",
            "invalid_type",
            "Invalid type for 'stream_options.include_usage': expected a boolean, "
            "but got an integer instead.",
        ),
        (
            chat_document(logit_bias={"a": "b"}),
            "logit_bias.a",
            "invalid_type",
            "Invalid type for 'logit_bias.a': expected a decimal number, but got a string instead.",
        ),
        (
            chat_document(max_tokens=1.5),
            "max_tokens",
            "invalid_type",
            "Invalid type for 'max_tokens': expected an integer, but got a decimal number instead.",
        ),
        (
            chat_document(
                tools=[TOOL], tool_choice={"type": "function", "function": {"name": "x"}}
            ),
            "tool_choice",
            None,
            "Tool choice 'x' not found in 'tools' parameter.",
        ),
        (
            chat_document(tool_choice="required"),
            "tool_choice",
            None,
            "'tool_choice' is only allowed when 'tools' are specified.",
        ),
        (
            chat_document(tools=[{"type": "retrieval"}]),
            "tools[0].type",
            "invalid_value",
            "Invalid value: 'retrieval'. Supported values are: 'function' and 'custom'.",
        ),
        (
            chat_document(response_format={"type": "xml"}),
            "response_format.type",
            "invalid_value",
            "Invalid value: 'xml'. Supported values are: 'json_object', 'json_schema', and 'text'.",
        ),
        (
            ["not", "an", "object"],
            None,
            None,
            "The body of the request must be a JSON object, but it is an array.",
        ),
    ],
)
def test_what_is_wrong_is_named(
    document: object, param: str | None, code: str | None, message: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parsed(document)
    assert (refused.value.param, refused.value.code, refused.value.message) == (
        param,
        code,
        message,
    )


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b"\xff",
        b'{"model": "\xff"}',
        b"{'model': 'm'}",
        b'{"temperature": NaN}',
        b"\xef\xbb\xbf{}",
        b'{"messages":' + b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidJSON, match=r"The body of the request is not valid JSON"):
        parse(document)


HALF = (
    "is not valid JSON: half of a surrogate pair, such as \\ud83d without \\ude00, is no character."
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty; it must be a JSON object."),
        (b" \r\n", "is empty; it must be a JSON object."),
        (b'{"messages":[{"content":"\\ud800"}]}', HALF),
        (b'{"model":"\\ud800"}\n', HALF),
        (b'{"model":"\\uDBff and more"}', HALF),
        (b'{"model":"\\udc00"}', HALF),
        (b'{"model":"gpt', "is not valid JSON: Input data was truncated."),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(body: bytes, message: str) -> None:
    """RFC 8259, 8.2 leaves half a pair open; what cannot be written as UTF-8 cannot be answered."""
    with pytest.raises(InvalidJSON) as refused:
        parse(body)
    assert refused.value.message == f"The body of the request {message}"
