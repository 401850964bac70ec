"""Tool calls: which of the tools offered the mock calls, and the events of the calls."""

import re
from collections.abc import Sequence

import msgspec

from llm_proxy.core.chat_request import ChatRequest, Tool
from llm_proxy.core.reply import Events, Finish, ToolCallDelta
from llm_proxy.mock.examples import example_text

FRAGMENT_CHARACTERS = 12


def chosen_tools(request: ChatRequest) -> Sequence[Tool]:
    """The tools to call, none for an answer in words.

    A tool that is required is called; of several, those that the last user message names and
    that have not been called since, else the next one that has not, so that an agent that
    requires a tool on every turn comes to its last one. With `auto` a tool is called only when
    the message names it, and not again once its result follows.
    """
    choice = request.tool_choice
    offered = [tool for tool in request.tools if not choice.names or tool.name in choice.names]
    if choice.mode == "none" or not offered:
        return ()
    named = [tool for tool in offered if _names(request.last_user_text(), tool.name)]
    since = request.messages[_last_user(request) + 1 :]
    if choice.mode == "required":
        called = {call.name for message in since for call in message.tool_calls}
        fresh = [tool for tool in named if tool.name not in called] or [
            tool for tool in offered if tool.name not in called
        ][:1]
        chosen = fresh or named or offered[:1]
    else:
        answered = any(message.role in ("tool", "function") for message in since)
        chosen = [] if answered else named
    return chosen if request.parallel_tool_calls else chosen[:1]


def tool_calls(tools: Sequence[Tool], number: int, choice: int) -> Events:
    """Call each of `tools`: its id and name first, then its arguments in fragments."""
    for index, tool in enumerate(tools):
        yield ToolCallDelta(index, call_id(number + index), tool.name, "", choice)
        text = _input(tool, number + index)
        for start in range(0, len(text), FRAGMENT_CHARACTERS):
            fragment = text[start : start + FRAGMENT_CHARACTERS]
            yield ToolCallDelta(index, arguments=fragment, choice=choice)
    yield Finish("tool_calls", None, choice)


def _input(tool: Tool, number: int) -> str:
    """What a tool is called with."""
    if not tool.custom:
        return example_text(tool.parameters, number)
    if tool.pattern is None:
        return "example"
    schema = {"type": "string", "pattern": f"^(?:{tool.pattern})$"}
    return str(msgspec.json.decode(example_text(schema, number)))


def call_id(number: int) -> str:
    """The id of a call, made of a number."""
    return f"call_{number % 2**64:024d}"


def _names(text: str, name: str) -> bool:
    """Whether `name` stands in `text` as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _last_user(request: ChatRequest) -> int:
    """Position of the last user message, or -1."""
    messages = enumerate(request.messages)
    return max((place for place, message in messages if message.role == "user"), default=-1)
