"""What the Responses surface takes, and how it refuses the rest."""

import json
from typing import Any

import pytest

from llm_proxy.core.chat_request import ChatRequest, Message, Tool, ToolCall, ToolChoice
from llm_proxy.core.reply import Choice, Reply, Usage
from llm_proxy.errors import InvalidJSON, InvalidRequest
from llm_proxy.openai_api.responses.hosted import ITEMS, TOOLS
from llm_proxy.openai_api.responses.request import parse, resumed
from llm_proxy.store import Stored

SEARCH = {"type": "function", "name": "search", "parameters": {"type": "object"}, "strict": True}
GREP = {"type": "custom", "name": "grep"}
WEB = {"type": "web_search"}


def asked(sent: object = "hi", **fields: Any) -> ChatRequest:
    """The request with `sent` as its input, as the surface understands it."""
    return parse(json.dumps({"model": "gpt-4o", "input": sent, **fields}).encode())


def test_a_request_becomes_nouns() -> None:
    document = {
        "model": "gpt-4o",
        "input": "What?",
        "instructions": "be brief",
        "stream": True,
        "tools": [SEARCH, GREP, WEB],
        "previous_response_id": "resp_1",
        "max_output_tokens": 50,
        "made_up": [1],
    }
    assert parse(json.dumps(document).encode()) == ChatRequest(
        endpoint="responses",
        model="gpt-4o",
        messages=(Message(role="system", text="be brief"), Message(role="user", text="What?")),
        stream=True,
        tools=(
            Tool(name="search", definition=SEARCH, parameters={"type": "object"}),
            Tool(name="grep", definition=GREP, custom=True),
        ),
        tool_choice=ToolChoice("auto"),
        max_tokens=50,
        store=True,
        previous="resp_1",
        document=document,
        unknown=("made_up",),
    )


def test_every_kind_of_item_is_understood() -> None:
    parts = [
        {"type": "input_text", "text": "one"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_text", "text": "two"},
    ]
    answer = [
        {"type": "output_text", "text": "Let me look.", "annotations": []},
        {"type": "refusal", "refusal": "No."},
    ]
    items = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": parts, "type": None},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": answer},
        {"type": "function_call", "call_id": "call_1", "name": "search", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "grep", "input": "x"},
        {"type": "function_call_output", "call_id": "call_1", "output": "42"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": parts},
        {"type": "function_call", "call_id": "call_3", "name": "search", "arguments": "{}"},
        {"id": "msg_2"},
        {"type": "message", "role": "system", "content": []},
    ]
    calls = (ToolCall("call_1", "search", "{}"), ToolCall("call_2", "grep", "x"))
    assert asked(items).messages == (
        Message(role="developer", text="be brief"),
        Message(role="user", text="one\ntwo", attachments=2),
        Message(role="assistant", text="Let me look.\nNo.", tool_calls=calls),
        Message(role="tool", text="42", tool_call_id="call_1"),
        Message(role="tool", text="one\ntwo", attachments=2, tool_call_id="call_2"),
        Message(role="assistant", tool_calls=(ToolCall("call_3", "search", "{}"),)),
        Message(role="system"),
    )


@pytest.mark.parametrize("name", ITEMS)
def test_items_of_openais_own_are_left_alone(name: str) -> None:
    items = [{"role": "user", "content": "hi"}, {"type": name, "id": "x", "action": {"a": [1]}}]
    assert asked(items).messages == (Message(role="user", text="hi"),)


@pytest.mark.parametrize("name", TOOLS)
def test_tools_of_openais_own_are_taken_and_never_called(name: str) -> None:
    request = asked(tools=[{"type": name, "server_label": "x"}], tool_choice="required")
    assert (request.tools, request.tool_choice) == ((), ToolChoice("none"))


@pytest.mark.parametrize(
    ("fields", "understood"),
    [
        ({}, {"store": True, "stream": False, "schema": None, "previous": None}),
        ({"store": False}, {"store": False}),
        ({"store": None, "stream": None}, {"store": True, "stream": False}),
        ({"instructions": None}, {"messages": (Message(role="user", text="hi"),)}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"top_logprobs": 2}, {"top_logprobs": None}),
        ({"include": ["message.output_text.logprobs"]}, {"top_logprobs": 0}),
        (
            {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
            {"top_logprobs": 2},
        ),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {"schema": None}),
        ({"text": {"format": {"type": "json_object"}}}, {"schema": {}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "null"}}}},
            {"schema": {"type": "null"}},
        ),
        ({"tools": [SEARCH], "tool_choice": "none"}, {"tool_choice": ToolChoice("none")}),
        ({"tools": [SEARCH], "tool_choice": "required"}, {"tool_choice": ToolChoice("required")}),
        (
            {"tools": [SEARCH], "tool_choice": {"type": "function", "name": "search"}},
            {"tool_choice": ToolChoice("required", ("search",))},
        ),
        (
            {"tools": [GREP], "tool_choice": {"type": "custom", "name": "grep"}},
            {"tool_choice": ToolChoice("required", ("grep",))},
        ),
        (
            {
                "tools": [SEARCH, GREP, WEB],
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [WEB, {"type": "custom", "name": "grep"}],
                },
            },
            {"tool_choice": ToolChoice("auto", ("grep",))},
        ),
        (
            {
                "tools": [SEARCH, WEB],
                "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [WEB]},
            },
            {"tool_choice": ToolChoice("none")},
        ),
        (
            {"tools": [SEARCH, WEB], "tool_choice": {"type": "web_search_preview"}},
            {"tool_choice": ToolChoice("none")},
        ),
    ],
)
def test_parameters_are_understood(fields: dict[str, Any], understood: dict[str, Any]) -> None:
    request = asked(**fields)
    assert {name: getattr(request, name) for name in understood} == understood


def test_every_parameter_of_the_api_is_known() -> None:
    request = asked(
        background=False,
        conversation={"id": "conv_1"},
        context_management=[{"type": "compaction"}],
        max_tool_calls=3,
        metadata={"a": "b"},
        moderation={"model": "m"},
        prompt={"id": "pmpt_1", "version": "2", "variables": {"a": "b"}},
        prompt_cache_key="k",
        prompt_cache_options={"mode": "implicit"},
        prompt_cache_retention="24h",
        reasoning={"effort": "low", "summary": "auto"},
        safety_identifier="s",
        service_tier="flex",
        stream_options={"include_obfuscation": False},
        temperature=1,
        top_p=0.5,
        truncation="auto",
        user="u",
    )
    assert request.unknown == ()


@pytest.mark.parametrize(
    "document",
    [
        {"model": "m", "previous_response_id": "resp_1"},
        {"model": "m", "conversation": "conv_1", "input": []},
        {"prompt": {"id": "pmpt_1"}},
        {"model": "m", "input": "hi", "stream": None, "tools": None, "text": None, "include": None},
        {},
    ],
)
def test_short_requests_are_legal(document: dict[str, Any]) -> None:
    assert parse(json.dumps(document).encode()).model


WRONG: list[tuple[dict[str, Any], str, str | None, str]] = [
    (
        {"input": 5},
        "input",
        "invalid_type",
        "Invalid type for 'input': expected a string or an array, but got an integer instead.",
    ),
    (
        {"input": ["hi"]},
        "input[0]",
        "invalid_type",
        "Invalid type for 'input[0]': expected an object, but got a string instead.",
    ),
    (
        {"input": [{"role": "user"}]},
        "input[0].content",
        "missing_required_parameter",
        "Missing required parameter: 'input[0].content'.",
    ),
    (
        {"input": [{"content": "hi"}]},
        "input[0].role",
        "missing_required_parameter",
        "Missing required parameter: 'input[0].role'.",
    ),
    (
        {"input": [{"role": "user", "content": "hi"}, {"role": "tool", "content": "42"}]},
        "input[1].role",
        "invalid_value",
        "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', "
        "and 'user'.",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        "input[0].content[0].type",
        "invalid_value",
        "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', "
        "'output_text', 'refusal', 'input_file', 'input_audio', 'computer_screenshot', "
        "and 'summary_text'.",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {}}]}]},
        "input[0].content[0].image_url",
        "invalid_type",
        "Invalid type for 'input[0].content[0].image_url': expected a string, "
        "but got an object instead.",
    ),
    (
        {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]},
        "input[0].call_id",
        "missing_required_parameter",
        "Missing required parameter: 'input[0].call_id'.",
    ),
    (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": {"a": 1}}]},
        "input[0].output",
        "invalid_type",
        "Invalid type for 'input[0].output': expected a string or an array, "
        "but got an object instead.",
    ),
    (
        {"instructions": ["be brief"]},
        "instructions",
        "invalid_type",
        "Invalid type for 'instructions': expected a string, but got an array instead.",
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "search"}}]},
        "tools[0].name",
        "missing_required_parameter",
        "Missing required parameter: 'tools[0].name'.",
    ),
    (
        {"tools": [SEARCH], "tool_choice": {"type": "function", "name": "x"}},
        "tool_choice",
        None,
        "Tool choice 'x' not found in 'tools' parameter.",
    ),
    (
        {"tool_choice": "required"},
        "tool_choice",
        None,
        "'tool_choice' is only allowed when 'tools' are specified.",
    ),
    (
        {"tool_choice": "always"},
        "tool_choice",
        "invalid_value",
        "Invalid value: 'always'. Supported values are: 'none', 'auto', and 'required'.",
    ),
    (
        {"text": {"format": {"type": "json_schema", "schema": {}}}},
        "text.format.name",
        "missing_required_parameter",
        "Missing required parameter: 'text.format.name'.",
    ),
    (
        {"text": {"format": {"type": "xml"}}},
        "text.format.type",
        "invalid_value",
        "Invalid value: 'xml'. Supported values are: 'json_object', 'json_schema', and 'text'.",
    ),
    (
        {"max_output_tokens": -1},
        "max_output_tokens",
        "integer_below_min_value",
        "Invalid 'max_output_tokens': integer below minimum value. "
        "Expected a value >= 0, but got -1 instead.",
    ),
    (
        {"truncation": "some"},
        "truncation",
        "invalid_value",
        "Invalid value: 'some'. Supported values are: 'auto' and 'disabled'.",
    ),
    (
        {"reasoning": {"effort": 3}},
        "reasoning.effort",
        "invalid_type",
        "Invalid type for 'reasoning.effort': expected a string, but got an integer instead.",
    ),
    (
        {"stream": "yes"},
        "stream",
        "invalid_type",
        "Invalid type for 'stream': expected a boolean, but got a string instead.",
    ),
    (
        {"previous_response_id": "resp_1", "conversation": "conv_1"},
        "previous_response_id",
        "mutually_exclusive_parameters",
        "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. "
        "Ensure you are only providing one of these parameters.",
    ),
]


@pytest.mark.parametrize(("fields", "param", "code", "message"), WRONG)
def test_what_is_wrong_is_named(
    fields: dict[str, Any], param: str, code: str | None, message: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert (refused.value.param, refused.value.code, refused.value.message) == (
        param,
        code,
        message,
    )


@pytest.mark.parametrize(
    ("fields", "param", "named"),
    [
        ({"input": [{"type": "video_call"}]}, "input[0].type", "'function_call_output', "),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type", "'custom', 'file_search', "),
        ({"tool_choice": {"type": "retrieval"}}, "tool_choice.type", "'allowed_tools', "),
        ({"include": ["logprobs"]}, "include[0]", "'message.output_text.logprobs'."),
    ],
)
def test_what_is_allowed_is_listed(fields: dict[str, Any], param: str, named: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert (refused.value.param, refused.value.code) == (param, "invalid_value")
    assert named in refused.value.message


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidJSON):
        parse(b'{"model": "m", "input": "hi"')


def stored(request: ChatRequest, text: str) -> Stored:
    reply = Reply((Choice((text,)),), Usage(1, 2))
    return Stored(id="resp_1", endpoint="responses", request=request, document={}, reply=reply)


def test_a_request_goes_on_from_the_whole_chain_but_not_from_its_instructions() -> None:
    def after(before: Stored, sent: str, **fields: Any) -> ChatRequest:
        further = asked(sent, previous_response_id=before.id, **fields)
        return resumed(further, {before.id: before}.get)

    first = stored(asked("one", instructions="be brief"), "first")
    second = stored(after(first, "two", instructions="be long"), "second")
    third = after(second, "three")
    fourth = after(stored(third, "third"), "four", instructions="be kind")
    chain = [("user", "one"), ("assistant", "first"), ("user", "two"), ("assistant", "second")]
    chain += [("user", "three"), ("assistant", "third"), ("user", "four")]
    assert [(m.role, m.text) for m in third.messages] == chain[:5]
    assert [(m.role, m.text) for m in fourth.messages] == [("system", "be kind"), *chain]


def test_a_request_cannot_go_on_from_nothing() -> None:
    with pytest.raises(InvalidRequest) as refused:
        resumed(asked("hi", previous_response_id="resp_x"), lambda _: None)
    error = refused.value
    assert (error.status, error.param, error.code, error.message) == (
        400,
        "previous_response_id",
        "previous_response_not_found",
        "Previous response with id 'resp_x' not found.",
    )
