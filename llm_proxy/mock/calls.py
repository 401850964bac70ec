"""Tool calls: which of the tools offered the mock calls, and the events of the calls."""

import re
from collections.abc import Sequence

from llm_proxy.mock.examples import example_text
from llm_proxy.reply import ChatRequest, Events, Finish, Tool, ToolCallDelta

FRAGMENT_CHARACTERS = 12


def chosen_tools(request: ChatRequest) -> Sequence[Tool]:
    """The tools to call, none for an answer in words.

    A tool that is required is called; of several, those that the last user message names,
    else the first. With `auto` a tool is called only when the message names it, and not again
    once its result follows.
    """
    choice = request.tool_choice
    offered = [tool for tool in request.tools if not choice.names or tool.name in choice.names]
    if choice.mode == "none" or not offered:
        return ()
    named = [tool for tool in offered if _names(request.last_user_text(), tool.name)]
    if choice.mode == "required":
        chosen = named or offered[:1]
    else:
        chosen = [] if _answered(request) else named
    return chosen if request.parallel_tool_calls else chosen[:1]


def tool_calls(tools: Sequence[Tool], number: int, choice: int) -> Events:
    """Call each of `tools`: its id and name first, then its arguments in fragments."""
    for index, tool in enumerate(tools):
        yield ToolCallDelta(index, f"call_{(number + index) % 2**64:024d}", tool.name, "", choice)
        text = "example" if tool.custom else example_text(tool.parameters, number + index)
        for start in range(0, len(text), FRAGMENT_CHARACTERS):
            fragment = text[start : start + FRAGMENT_CHARACTERS]
            yield ToolCallDelta(index, arguments=fragment, choice=choice)
    yield Finish("tool_calls", None, choice)


def _names(text: str, name: str) -> bool:
    """Whether `name` stands in `text` as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _answered(request: ChatRequest) -> bool:
    """Whether a tool result follows the last user message."""
    roles = [message.role for message in request.messages]
    return any(role in ("tool", "function") for role in roles[_last(roles, "user") + 1 :])


def _last(roles: Sequence[str], role: str) -> int:
    """Position of the last `role`, or -1."""
    return max((position for position, one in enumerate(roles) if one == role), default=-1)
