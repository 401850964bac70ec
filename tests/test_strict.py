"""What OpenAI refuses although its types are right, and in which words."""

import json
from typing import Any

import pytest

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api import completions
from llm_proxy.openai_api.chat import request as chat
from llm_proxy.openai_api.strict.rules import objections
from tests.builders import chat_document, client, read

MODELS = (
    *("gpt-4o", "gpt-5", "o3-mini", "gpt-5.2", "gpt-5-chat-latest", "mine"),
    "gpt-3.5-turbo-instruct",
)

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "call_2"}]}
ANSWER = {"role": "tool", "tool_call_id": "call_1", "content": "42"}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def found(request: ChatRequest) -> list[tuple[int, str, str | None, str | None, str]]:
    return [
        (one.status, one.type, one.param, one.code, one.message)
        for one in objections(request, MODELS)
    ]


def asked(document: dict[str, Any]) -> ChatRequest:
    parse = completions.parse if "prompt" in document else chat.parse
    return parse(json.dumps(document).encode())


def unparsed(document: dict[str, Any], **fields: Any) -> ChatRequest:
    """A request as a surface would pass it on if it let everything through."""
    if fields.get("endpoint") == "responses":
        document = {"model": "gpt-4o", "input": "hi", **document}
    return ChatRequest(**{"model": "gpt-4o", "messages": (), "document": document, **fields})


def item_request(*items: dict[str, Any], **fields: Any) -> ChatRequest:
    """A Responses request."""
    messages = (Message(role="user", text="hi"),)
    model = fields.get("model", "gpt-4o")
    document = {"model": model, "input": list(items), **fields}
    return unparsed(document, endpoint="responses", model=model, messages=messages)


def tool(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}


def chat_with(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": list(messages)}


def answered_with(schema: object, **described: Any) -> dict[str, Any]:
    described = {"name": "x", "strict": True, "schema": schema, **described}
    return chat_document(response_format={"type": "json_schema", "json_schema": described})


Row = tuple[ChatRequest, str | None, str | None, str]

UNKNOWN: list[Row] = [
    (
        asked(chat_document(top_k=1)),
        None,
        None,
        "Unrecognized request argument supplied: top_k",
    ),
    (
        asked(chat_document(top_k=1, enable=True)),
        None,
        None,
        "Unrecognized request arguments supplied: enable, top_k",
    ),
    (
        asked(chat_document(reasoning_effort="low")),
        None,
        None,
        "Unrecognized request argument supplied: reasoning_effort",
    ),
    (
        asked({"model": "mine", "prompt": "a", "top_k": 1}),
        None,
        None,
        "Unrecognized request argument supplied: top_k",
    ),
    (
        asked(chat_document(model="gpt-5", top_k=1)),
        "top_k",
        "unknown_parameter",
        "Unknown parameter: 'top_k'.",
    ),
    (
        unparsed({}, endpoint="responses", unknown=("foo",)),
        "foo",
        "unknown_parameter",
        "Unknown parameter: 'foo'.",
    ),
    (
        asked(chat_document(response_format={"type": "text", "strict": True})),
        "response_format.strict",
        "unknown_parameter",
        "Unknown parameter: 'response_format.strict'.",
    ),
    (
        asked(
            chat_with(
                {"role": "user", "content": "hi"},
                {"role": "assistant", "tool_calls": [{**CALL, "index": 0}]},
                ANSWER,
            )
        ),
        "messages[1].tool_calls[0].index",
        "unknown_parameter",
        "Unknown parameter: 'messages[1].tool_calls[0].index'.",
    ),
    (
        item_request(model="mine", reasoning={"enabled": True}),
        "reasoning.enabled",
        "unknown_parameter",
        "Unknown parameter: 'reasoning.enabled'.",
    ),
]

WORDS: list[Row] = [
    (
        asked(chat_document(verbosity="loud")),
        "verbosity",
        "invalid_value",
        "Invalid value: 'loud'. Supported values are: 'low', 'medium', and 'high'.",
    ),
    (
        asked(chat_document(modalities=["text", "smell"])),
        "modalities[1]",
        "invalid_value",
        "Invalid value: 'smell'. Supported values are: 'text' and 'audio'.",
    ),
    (
        asked(chat_document(prediction={"type": "x", "content": "y"})),
        "prediction.type",
        "invalid_value",
        "Invalid value: 'x'. Supported value is: 'content'.",
    ),
    (
        asked(
            chat_with(
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": "http://x/y", "detail": "all"}},
                    ],
                }
            )
        ),
        "messages[0].content[1].image_url.detail",
        "invalid_value",
        "Invalid value: 'all'. Supported values are: 'auto', 'low', and 'high'.",
    ),
    (
        item_request({"role": "user", "content": "hi", "status": "done"}),
        "input[0].status",
        "invalid_value",
        "Invalid value: 'done'. Supported values are: 'in_progress', 'completed', and "
        "'incomplete'.",
    ),
]

NUMBERS: list[Row] = [
    (
        unparsed({"n": 0}),
        "n",
        "integer_below_min_value",
        "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead.",
    ),
    (
        unparsed({"n": 129}, endpoint="completions", model="mine"),
        "n",
        "integer_above_max_value",
        "Invalid 'n': integer above maximum value. Expected a value <= 128, but got 129 instead.",
    ),
    (
        asked(chat_document(temperature=2.5)),
        "temperature",
        "decimal_above_max_value",
        "Invalid 'temperature': decimal above maximum value. "
        "Expected a value <= 2, but got 2.5 instead.",
    ),
    (
        asked({"model": "mine", "prompt": "a", "temperature": -1}),
        "temperature",
        "decimal_below_min_value",
        "Invalid 'temperature': decimal below minimum value. "
        "Expected a value >= 0, but got -1 instead.",
    ),
    (
        item_request(top_p=1.5),
        "top_p",
        "decimal_above_max_value",
        "Invalid 'top_p': decimal above maximum value. Expected a value <= 1, but got 1.5 instead.",
    ),
    (
        asked(chat_document(presence_penalty=-3)),
        "presence_penalty",
        "decimal_below_min_value",
        "Invalid 'presence_penalty': decimal below minimum value. "
        "Expected a value >= -2, but got -3 instead.",
    ),
    (
        asked(chat_document(frequency_penalty=3)),
        "frequency_penalty",
        "decimal_above_max_value",
        "Invalid 'frequency_penalty': decimal above maximum value. "
        "Expected a value <= 2, but got 3 instead.",
    ),
    (
        asked(chat_document(max_tokens=0)),
        "max_tokens",
        "integer_below_min_value",
        "Invalid 'max_tokens': integer below minimum value. "
        "Expected a value >= 1, but got 0 instead.",
    ),
    (
        asked(chat_document(max_completion_tokens=0)),
        "max_completion_tokens",
        "integer_below_min_value",
        "Invalid 'max_completion_tokens': integer below minimum value. "
        "Expected a value >= 1, but got 0 instead.",
    ),
    (
        item_request(max_output_tokens=15),
        "max_output_tokens",
        "integer_below_min_value",
        "Invalid 'max_output_tokens': integer below minimum value. "
        "Expected a value >= 16, but got 15 instead.",
    ),
    (
        unparsed({"logprobs": True, "top_logprobs": 21}),
        "top_logprobs",
        "integer_above_max_value",
        "Invalid 'top_logprobs': integer above maximum value. "
        "Expected a value <= 20, but got 21 instead.",
    ),
    (
        asked(chat_document(logit_bias={"50256": -101})),
        "logit_bias.50256",
        "integer_below_min_value",
        "Invalid 'logit_bias.50256': integer below minimum value. "
        "Expected a value >= -100, but got -101 instead.",
    ),
    (
        asked(chat_document(logit_bias={"AI": 1})),
        "logit_bias",
        None,
        "Invalid key in 'logit_bias': AI. You should only be submitting non-negative integers.",
    ),
]

LENGTHS: list[Row] = [
    (
        asked(chat_document(stop=list("abcde"))),
        "stop",
        "array_above_max_length",
        "Invalid 'stop': array too long. Expected an array with maximum length 4, "
        "but got an array with length 5 instead.",
    ),
    (
        asked(chat_document(tools=[tool(f"f{index}") for index in range(129)])),
        "tools",
        "array_above_max_length",
        "Invalid 'tools': array too long. Expected an array with maximum length 128, "
        "but got an array with length 129 instead.",
    ),
    (
        asked(chat_document(tools=[])),
        "tools",
        "empty_array",
        "Invalid 'tools': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
    ),
    (
        asked(chat_document(metadata={str(index): "x" for index in range(17)})),
        "metadata",
        "object_above_max_properties",
        "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, "
        "but got an object with 17 properties instead.",
    ),
    (
        asked(chat_document(metadata={"k" * 65: "x"})),
        f"metadata.{'k' * 65}",
        "property_name_above_max_length",
        "Invalid property name in 'metadata': 'kkk...kkk' is too long. Expected a string with "
        "maximum length 64, but got a string with length 65 instead.",
    ),
    (
        item_request(metadata={"k": "x" * 513}),
        "metadata.k",
        "string_above_max_length",
        "Invalid 'metadata.k': string too long. Expected a string with maximum length 512, "
        "but got a string with length 513 instead.",
    ),
]

COMBINATIONS: list[Row] = [
    (
        asked(chat_document(max_tokens=5, max_completion_tokens=5)),
        "max_tokens",
        "invalid_parameter_combination",
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
    ),
    (
        asked(chat_document(stream=False, stream_options={"include_usage": True})),
        "stream_options",
        None,
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    ),
    (
        asked(chat_document(top_logprobs=2)),
        "top_logprobs",
        None,
        "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
    ),
    (
        asked(chat_document(parallel_tool_calls=True)),
        "parallel_tool_calls",
        None,
        "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when "
        "'tools' are specified.",
    ),
    (
        asked(chat_document(response_format={"type": "json_object"})),
        "messages",
        None,
        "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
        "'json_object'.",
    ),
    (
        item_request(text={"format": {"type": "json_object"}}),
        "text.format",
        None,
        "Response input messages must contain the word 'json' in some form to use 'text.format' "
        "of type 'json_object'.",
    ),
]

MODEL: list[Row] = [
    (
        asked(chat_document(model="o3-mini", max_tokens=5)),
        "max_tokens",
        "unsupported_parameter",
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
    ),
    (
        asked(chat_document(model="gpt-5", stop="x")),
        "stop",
        "unsupported_parameter",
        "Unsupported parameter: 'stop' is not supported with this model.",
    ),
    (
        asked(chat_document(model="gpt-5", temperature=0.2)),
        "temperature",
        "unsupported_value",
        "Unsupported value: 'temperature' does not support 0.2 with this model. "
        "Only the default (1) value is supported.",
    ),
    (
        asked(chat_document(model="gpt-5.2", reasoning_effort="low", logprobs=True)),
        "logprobs",
        "unsupported_parameter",
        "Unsupported parameter: 'logprobs' is not supported with this model.",
    ),
    (
        item_request(model="gpt-5", temperature=0.2),
        "temperature",
        None,
        "Unsupported parameter: 'temperature' is not supported with this model.",
    ),
    (
        item_request(model="gpt-5", top_p=1),
        "top_p",
        None,
        "Unsupported parameter: 'top_p' is not supported with this model.",
    ),
    (
        item_request(reasoning={"effort": "low"}),
        "reasoning.effort",
        "unsupported_parameter",
        "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
    ),
]

CONVERSATION: list[Row] = [
    (
        asked(chat_with({"role": "user", "content": "a"}, ANSWER)),
        "messages.[1].role",
        None,
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
        "with 'tool_calls'.",
    ),
    (
        asked(chat_with(CALLING, ANSWER, {"role": "user", "content": "a"})),
        "messages.[2].role",
        None,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: call_2",
    ),
    (
        asked(chat_with(CALLING)),
        "messages",
        None,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: "
        "call_1, call_2",
    ),
    (
        asked(chat_with(CALLING, ANSWER, {**ANSWER, "tool_call_id": "call_2"}, ANSWER)),
        "messages.[3].tool_call_id",
        None,
        "Invalid parameter: Duplicate value for 'tool_call_id' of 'call_1', in messages[1] and "
        "messages[3].",
    ),
    (
        asked(chat_with({"role": "assistant", "content": "a", "tool_calls": []})),
        "messages[0].tool_calls",
        "empty_array",
        "Invalid 'messages[0].tool_calls': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
    ),
    (
        asked(
            chat_with(
                {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "a.b"}}]},
                ANSWER,
            )
        ),
        "messages[0].tool_calls[0].function.name",
        "invalid_value",
        "Invalid 'messages[0].tool_calls[0].function.name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    ),
    (
        item_request({"type": "function_call_output", "call_id": "call_1", "output": "42"}),
        "input",
        None,
        "No tool call found for function call output with call_id call_1.",
    ),
    (
        item_request({"type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": ""}),
        "input",
        None,
        "No tool output found for custom tool call call_1.",
    ),
]

TOOLS: list[Row] = [
    (
        asked(chat_document(tools=[tool("get weather")])),
        "tools[0].function.name",
        "invalid_value",
        "Invalid 'tools[0].function.name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    ),
    (
        asked(chat_document(functions=[{"name": "f\n"}])),
        "functions[0].name",
        "invalid_value",
        "Invalid 'functions[0].name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    ),
    (
        asked(chat_document(tools=[{"type": "custom", "custom": {"name": ""}}])),
        "tools[0].custom.name",
        "empty_string",
        "Invalid 'tools[0].custom.name': empty string. Expected a string with minimum length 1, "
        "but got an empty string instead.",
    ),
    (
        item_request(tools=[{"type": "function", "name": "x" * 65}]),
        "tools[0].name",
        "string_above_max_length",
        "Invalid 'tools[0].name': string too long. Expected a string with maximum length 64, "
        "but got a string with length 65 instead.",
    ),
    (
        asked(chat_document(tools=[tool("f"), tool("g"), tool("f")])),
        "tools[2].function.name",
        None,
        "Tool names must be unique, but 'f' comes twice.",
    ),
    (
        asked(chat_document(tools=[tool(strict=True, parameters={"type": "object"})])),
        "tools[0].function.parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be "
        "supplied and to be false.",
    ),
    (
        item_request(
            tools=[
                {"type": "web_search"},
                {"type": "function", "name": "f", "strict": True}
                | {"parameters": {**SCHEMA, "required": []}},
            ]
        ),
        "tools[1].parameters",
        "invalid_function_parameters",
        "Invalid schema for function 'f': In context=(), 'required' is required to be supplied "
        "and to be an array including every key in properties. Missing 'a'.",
    ),
]

FORMATS: list[Row] = [
    (
        asked(answered_with({**SCHEMA, "additionalProperties": True})),
        "response_format",
        None,
        "Invalid schema for response_format 'x': In context=(), 'additionalProperties' is "
        "required to be supplied and to be false.",
    ),
    (
        item_request(
            text={
                "format": {"type": "json_schema", "name": "x", "strict": True, "schema": {"a": 1}}
            }
        ),
        "text.format.schema",
        "invalid_json_schema",
        "Invalid schema for response_format 'x': schema must be a JSON Schema of "
        "'type: \"object\"', got 'type: \"None\"'.",
    ),
    (
        asked(answered_with(SCHEMA, name="my format")),
        "response_format.json_schema.name",
        "invalid_value",
        "Invalid 'response_format.json_schema.name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    ),
]

ROWS = [
    *UNKNOWN,
    *WORDS,
    *NUMBERS,
    *LENGTHS,
    *COMBINATIONS,
    *MODEL,
    *CONVERSATION,
    *TOOLS,
    *FORMATS,
]


@pytest.mark.parametrize(("request_", "param", "code", "message"), ROWS)
def test_what_openai_refuses_is_refused_in_its_words(
    request_: ChatRequest, param: str | None, code: str | None, message: str
) -> None:
    assert found(request_) == [(400, "invalid_request_error", param, code, message)]


def test_a_model_that_is_not_listed_does_not_exist() -> None:
    assert found(asked(chat_document(model="gpt-9"))) == [
        (
            404,
            "invalid_request_error",
            None,
            "model_not_found",
            "The model `gpt-9` does not exist or you do not have access to it.",
        )
    ]


def test_objections_come_in_the_order_in_which_openai_looks() -> None:
    document = chat_document(
        model="o9",
        foo=1,
        tools=[],
        temperature=3,
        response_format={"type": "json_object"},
        max_tokens=5,
        stream_options={},
    )
    params = [one.param for one in objections(asked(document), MODELS)]
    assert params == [
        "foo",
        "tools",
        "temperature",
        "messages",
        "stream_options",
        "max_tokens",
        "temperature",
        None,
    ]


@pytest.mark.parametrize(
    "document",
    [
        chat_document(),
        chat_document(max_tokens=1, prompt_cache_options={"mode": "implicit"}),
        chat_document(stream=None, stream_options=None, tools=None, temperature=None),
        chat_document(temperature=1, top_p=0.5, stop="x"),
        chat_document(temperature=2, top_p=0, presence_penalty=-2, frequency_penalty=2),
        chat_document(stop=list("abcd"), logit_bias={"50256": -100, "1": 100}, seed=-1, n=128),
        chat_document(tools=[tool("search")], tool_choice="auto", parallel_tool_calls=False),
        chat_document(tools=[tool(parameters={})], tool_choice="required"),
        chat_document(tools=[tool(strict=True)]),
        chat_document(tools=[tool(strict=True, parameters=SCHEMA)]),
        chat_document(tools=[tool(parameters={"type": "object", "properties": {"a": {}}})]),
        chat_document(tools=[{"type": "custom", "custom": {"name": "a-B_9"}}]),
        chat_document(functions=[{"name": "old"}], function_call={"name": "old"}),
        chat_document("as JSON", response_format={"type": "json_object"}, metadata={"a": "b"}),
        chat_document(response_format={"type": "text"}),
        answered_with(SCHEMA),
        answered_with({"type": "array"}, strict=False),
        answered_with({"type": "array"}, strict=None),
        chat_document(logprobs=True, top_logprobs=20),
        chat_document(stream=True, stream_options={"include_usage": True}, store=True),
        chat_document(metadata={"k" * 64: "v" * 512, **{str(n): "" for n in range(15)}}),
        chat_document(reasoning_effort=None),
        chat_document(
            model="gpt-5", max_completion_tokens=1, temperature=1, reasoning_effort="low"
        ),
        chat_document(model="gpt-5", temperature=0.2, logprobs=True, reasoning_effort="none"),
        chat_document(model="gpt-5", presence_penalty=0, top_p=1, verbosity="low"),
        chat_document(model="gpt-5.2", temperature=0.2),
        chat_document(model="gpt-5-chat-latest", temperature=0.2, max_tokens=5),
        chat_document(model="mine", temperature=0.2, max_tokens=5, reasoning_effort="low"),
        chat_with(CALLING, ANSWER, {**ANSWER, "tool_call_id": "call_2"}, CALLING, ANSWER)
        | {"messages": [CALLING, {**ANSWER, "tool_call_id": "call_2"}, ANSWER] * 2},
        chat_with(
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "one"}], "name": "ann"},
            {"role": "assistant", "refusal": "No."},
            {"role": "assistant", "function_call": {"name": "h", "arguments": "[]"}},
            {"role": "function", "name": "h", "content": None},
            {"role": "developer", "content": "really"},
        ),
        {"model": "mine", "prompt": ["a", "b"], "n": 100, "max_tokens": 0, "logprobs": 5},
        {
            "model": "gpt-3.5-turbo-instruct",
            "prompt": "a",
            "stop": "x",
            "temperature": 0.2,
            "max_tokens": 5,
        },
    ],
)
def test_nothing_is_said_against_what_is_legal(document: dict[str, Any]) -> None:
    assert found(asked(document)) == []


FUNCTION_CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
STRICT_FORMAT = {"type": "json_schema", "name": "x", "strict": True, "schema": SCHEMA}


@pytest.mark.parametrize(
    "request_",
    [
        item_request(),
        item_request(tools=[], parallel_tool_calls=True, stream_options=None),
        item_request(tools=[{"type": "web_search"}, {"type": "function", "name": "f"}]),
        item_request(tools=[{"type": "function", "name": "f", "strict": True}]),
        item_request(text={"format": STRICT_FORMAT}, max_output_tokens=16, top_logprobs=20),
        item_request(FUNCTION_CALL, {"role": "user", "content": "wait"}, OUTPUT),
        item_request(OUTPUT, previous_response_id="resp_1"),
        item_request({"type": "item_reference", "id": "fc_1"}, OUTPUT),
        item_request({"id": "fc_1"}, OUTPUT),
        item_request({**OUTPUT, "call_id": None}, {"type": "reasoning"}),
        item_request(model="gpt-5", temperature=1),
        item_request(model="gpt-5", temperature=0.2, top_p=0.5, reasoning={"effort": "none"}),
        item_request(model="gpt-5", reasoning={"effort": "low"}),
        item_request(reasoning={"effort": None, "summary": "auto"}),
    ],
)
def test_nothing_is_said_against_a_legal_response_request(request_: ChatRequest) -> None:
    assert found(request_) == []


@pytest.mark.parametrize(
    ("messages", "previous", "params"),
    [
        (("say JSON", "hi"), None, ["text.format"]),
        (("be brief", "hi"), "resp_1", []),
        (("be brief", "some json"), None, []),
    ],
)
def test_instructions_of_a_response_do_not_ask_for_json(
    messages: tuple[str, str], previous: str | None, params: list[str]
) -> None:
    document = {"instructions": messages[0], "text": {"format": {"type": "json_object"}}}
    request = unparsed(
        document,
        endpoint="responses",
        previous=previous,
        messages=tuple(Message(role="user", text=text) for text in messages),
    )
    assert [one.param for one in objections(request, MODELS)] == params


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/mock/v1/chat/completions"])
def test_a_strict_mock_refuses_with_the_first_objection(path: str) -> None:
    document = chat_document(model="gpt-4o-mini", temperature=3, stream_options={})
    refused = client(MOCK_STRICT="1").post(path, json=document)
    assert refused.status_code == 400
    assert refused.json == {
        "error": {
            "message": "Invalid 'temperature': decimal above maximum value. "
            "Expected a value <= 2, but got 3 instead.",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": "decimal_above_max_value",
        }
    }


def test_a_strict_mock_does_not_know_other_models() -> None:
    refused = client(MOCK_STRICT="1").post(
        "/v1/chat/completions", json=chat_document(model="gpt-9")
    )
    assert refused.status_code == 404
    assert refused.json is not None
    assert refused.json["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-3.5-turbo-0125", "o3-mini", "ft:gpt-5:x"])
def test_models_that_only_chat_complete_nothing(model: str) -> None:
    first, *_ = found(asked({"model": model, "prompt": "a"}))
    assert first == (
        404,
        "invalid_request_error",
        "model",
        None,
        "This is a chat model and not supported in the v1/completions endpoint. "
        "Did you mean to use v1/chat/completions?",
    )


EMBED, MODERATE = "/v1/embeddings", "/v1/moderations"


@pytest.mark.parametrize(
    ("path", "fields", "told"),
    [
        (EMBED, {"model": "text-embedding-3-small", "user": "ann"}, None),
        (EMBED, {"model": "text-embedding-3-small", "foo": 1}, ("foo", "unknown_parameter")),
        (EMBED, {"model": "nope"}, (None, "model_not_found")),
        (MODERATE, {}, None),
        (MODERATE, {"model": "omni-moderation-latest"}, None),
        (MODERATE, {"foo": 1}, ("foo", "unknown_parameter")),
        (MODERATE, {"model": "nope"}, (None, "model_not_found")),
        ("/v1/rerank", {"model": "x", "query": "a", "documents": ["b"], "foo": 1}, None),
    ],
)
def test_strict_is_meant_for_resources_too(
    path: str, fields: dict[str, Any], told: tuple[str | None, str] | None
) -> None:
    answer = client(MOCK_STRICT="1").post(path, json={"input": "hi", **fields})
    error = read(answer).get("error")
    assert (error and (error["param"], error["code"])) == told
    assert client().post(path, json={"model": "x", "input": "hi", **fields}).status_code == 200


def test_a_mock_that_is_not_strict_answers_all_the_same() -> None:
    document = chat_document(model="gpt-9", temperature=3, stream_options={}, foo=1)
    assert client().post("/v1/chat/completions", json=document).status_code == 200


def test_an_objection_is_an_exception_that_can_be_raised() -> None:
    (objection,) = objections(asked(chat_document(temperature=3)), MODELS)
    with pytest.raises(InvalidRequest):
        raise objection
