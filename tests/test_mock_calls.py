"""Which tools the mock calls, and how."""

import json
import re
from typing import Any

import pytest
from msgspec.structs import replace

from llm_proxy.core.chat_request import ChatRequest, Message, Tool, ToolCall, ToolChoice
from llm_proxy.core.folding import collect
from llm_proxy.core.reply import Finish, ToolCallDelta
from llm_proxy.mock.calls import chosen_tools, tool_calls
from llm_proxy.mock.unscripted import unscripted
from tests.builders import chat_document, client, read


def tool(name: str, **fields: Any) -> Tool:
    return Tool(name=name, definition={"name": name}, **fields)


TOOLS = (tool("search"), tool("search_docs"), tool("stop"))


def names(
    text: str, choice: ToolChoice, *after: Message, tools: tuple[Tool, ...] = TOOLS, **fields: Any
) -> list[str]:
    request = ChatRequest(
        model="m",
        messages=(Message(role="user", text=text), *after),
        tools=tools,
        tool_choice=choice,
        **fields,
    )
    return [chosen.name for chosen in chosen_tools(request)]


AUTO, NONE, REQUIRED = ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")
RESULT = (
    Message(role="assistant", tool_calls=(ToolCall("call_1", "search", "{}"),)),
    Message(role="tool", text="42", tool_call_id="call_1"),
)


def test_auto_calls_the_tools_that_the_message_names() -> None:
    assert names("please search_docs for it, then `stop`.", AUTO) == ["search_docs", "stop"]
    assert names("just talk", AUTO) == []


def test_a_name_within_a_longer_one_is_not_meant() -> None:
    assert names("use search_docs", AUTO) == ["search_docs"]
    assert names("my-search or research", AUTO) == []


def test_auto_answers_in_words_once_the_result_follows() -> None:
    assert names("search", AUTO, *RESULT) == []
    assert names("search", AUTO, *RESULT, Message(role="user", text="stop")) == ["stop"]


def test_none_calls_nothing() -> None:
    assert names("search", NONE) == []


def test_required_calls_what_is_named_or_else_the_first() -> None:
    assert names("just talk", REQUIRED) == ["search"]
    assert names("stop", REQUIRED) == ["stop"]


def test_required_goes_on_to_a_tool_that_was_not_called_yet() -> None:
    """Agents require a tool on every turn, and wait for the one that ends the loop."""
    assert names("search", REQUIRED, *RESULT) == ["search_docs"]
    assert names("search, then stop", REQUIRED, *RESULT) == ["stop"]
    assert names("search", REQUIRED, *RESULT, tools=TOOLS[:1]) == ["search"]
    assert names("search", REQUIRED, *RESULT, Message(role="user", text="again")) == ["search"]


def test_a_choice_by_name_leaves_no_other() -> None:
    assert names("search", ToolChoice("required", ("stop",))) == ["stop"]
    assert names("search and stop", ToolChoice("auto", ("stop",))) == ["stop"]


def test_without_parallel_calls_there_is_one() -> None:
    assert names("search and stop", AUTO, parallel_tool_calls=False) == ["search"]


@pytest.mark.parametrize("choice", [AUTO, NONE])
def test_without_tools_nothing_is_called(choice: ToolChoice) -> None:
    assert names("search", choice, tools=()) == []


def test_a_call_is_id_and_name_then_its_arguments_in_fragments() -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"const": "Reykjavík"}, "days": {"const": 3}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    first, *fragments, finish = tool_calls([tool("weather", parameters=schema)], 5, choice=1)
    assert isinstance(first, ToolCallDelta)
    assert (first.index, first.name, first.arguments, first.choice) == (0, "weather", "", 1)
    assert first.id is not None
    assert first.id.startswith("call_")
    assert finish == Finish("tool_calls", None, 1)
    assert len(fragments) > 1
    joined = "".join(one.arguments for one in fragments if isinstance(one, ToolCallDelta))
    assert json.loads(joined) == {"city": "Reykjavík", "days": 3}


def test_calls_side_by_side_have_indices_and_ids_of_their_own() -> None:
    reply = collect(tool_calls([tool("a"), tool("b", custom=True)], 5, choice=0))
    first, second = reply.choices[0].tool_calls
    assert (first.name, second.name) == ("a", "b")
    assert first.id != second.id
    assert isinstance(json.loads(first.arguments), dict)
    assert second.arguments


def test_calls_of_all_choices_have_ids_of_their_own() -> None:
    request = ChatRequest(
        model="m", messages=(), tools=TOOLS, tool_choice=ToolChoice("required"), n=3
    )
    several = replace(
        request,
        messages=(Message(role="user", text="search and search_docs and stop"),),
    )
    reply = collect(unscripted(several, 5, echo=False))
    ids = [call.id for choice in reply.choices for call in choice.tool_calls]
    assert len(set(ids)) == len(ids) == 9


@pytest.mark.parametrize(
    "sent",
    [
        {"syntax": "regex", "definition": r"\d{4}-(0[1-9]|1[0-2])"},
        {"syntax": "lark", "definition": "start: /a+/"},
        "none",
    ],
)
def test_a_custom_tool_is_called_with_what_its_pattern_wants(sent: Any) -> None:
    custom = {"name": "when", "format": {"type": "grammar", "grammar": sent}}
    in_chat = {"type": "custom", "custom": custom}
    beside = sent if isinstance(sent, dict) else {}
    in_response = {"type": "custom", "name": "when", "format": {"type": "grammar", **beside}}
    api = client()
    asked = {"model": "m", "tool_choice": "required"}
    chat = api.post("/v1/chat/completions", json=chat_document(tools=[in_chat], **asked))
    response = api.post("/v1/responses", json={"input": "hi", "tools": [in_response], **asked})
    (call,) = read(chat)["choices"][0]["message"]["tool_calls"]
    (item,) = read(response)["output"]
    pattern = sent["definition"] if beside.get("syntax") == "regex" else "example"
    assert re.fullmatch(pattern, call["custom"]["input"])
    assert re.fullmatch(pattern, item["input"])


def test_the_same_number_makes_the_same_call() -> None:
    assert list(tool_calls(TOOLS, 5, 0)) == list(tool_calls(TOOLS, 5, 0))
