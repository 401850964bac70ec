"""Tools in a Responses request: their flat JSON shapes, and the nouns they become.

Source of the shapes: API reference, "Create a model response", `tools` and `tool_choice`.
OpenAI's own tools are taken and never called: nothing here could run them.
"""

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from llm_proxy.core.chat_request import Tool, ToolChoice
from llm_proxy.openai_api.chat import tools as chat
from llm_proxy.openai_api.responses.hosted import TOOL_CHOICES, TOOLS, Hosted, hosted, listing

SUPPORTED = {
    "tools.type": listing("function", "custom", *TOOLS),
    "tool_choice": "'none', 'auto', and 'required'",
    "tool_choice.type": listing("function", "custom", "allowed_tools", *TOOL_CHOICES),
    "tool_choice.mode": "'auto' and 'required'",
}
"""Allowed values by the path of the field, as an error message lists them."""


class FunctionTool(Struct, tag_field="type", tag="function", omit_defaults=True):
    name: str
    description: str | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET


class CustomTool(Struct, tag_field="type", tag="custom", omit_defaults=True):
    name: str
    description: str | UnsetType | None = UNSET
    format: dict[str, Any] | UnsetType | None = UNSET


class FunctionChoice(Struct, tag_field="type", tag="function"):
    name: str


class CustomChoice(Struct, tag_field="type", tag="custom"):
    name: str


class AllowedToolsChoice(Struct, tag_field="type", tag="allowed_tools"):
    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


_Mode = Literal["none", "auto", "required"]

if TYPE_CHECKING:
    WireTool = FunctionTool | CustomTool | Hosted
    WireToolChoice = _Mode | FunctionChoice | CustomChoice | AllowedToolsChoice | Hosted
else:
    WireTool = functools.reduce(operator.or_, hosted(TOOLS), FunctionTool | CustomTool)
    WireToolChoice = (
        _Mode
        | functools.reduce(operator.or_, hosted(TOOL_CHOICES), FunctionChoice | CustomChoice)
        | AllowedToolsChoice
    )


def tools(wire: Iterable[WireTool]) -> tuple[Tool, ...]:
    """The nouns for the tools that can be called."""
    return tuple(_tool(tool) for tool in wire if not isinstance(tool, Hosted))


def _tool(wire: FunctionTool | CustomTool) -> Tool:
    definition = msgspec.to_builtins(wire)
    if isinstance(wire, CustomTool):
        pattern = chat.grammar(wire.format)
        return Tool(name=wire.name, definition=definition, custom=True, pattern=pattern)
    return Tool(name=wire.name, definition=definition, parameters=wire.parameters or {})


def tool_choice(wire: WireToolChoice | None, sent: int, offered: Sequence[Tool]) -> ToolChoice:
    """The noun for a tool choice among the tools `offered` of those `sent`.

    Where only OpenAI's own tools may be called, none is.

    Raises:
        InvalidRequest: a tool is chosen that is not offered.
    """
    match wire:
        case FunctionChoice(name):
            return chat.tool_choice(chat.FunctionChoice(chat.Named(name)), offered)
        case CustomChoice(name):
            return chat.tool_choice(chat.CustomChoice(chat.Named(name)), offered)
        case AllowedToolsChoice(mode, listed):
            named = [tool for tool in listed if isinstance(tool.get("name"), str)]
            ours = [tool for tool in named if tool.get("type") in ("function", "custom")]
            if not ours:
                return ToolChoice("none")
            allowed = chat.AllowedTools(mode, ours)
            return chat.tool_choice(chat.AllowedToolsChoice(allowed), offered)
        case Hosted():
            return ToolChoice("none")
        case "required" if sent and not offered:
            return ToolChoice("none")
        case mode:
            return chat.tool_choice(mode, offered)


def echoed(sent: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The tools of a request as a response repeats them, with the defaults filled in."""
    return [{"type": tool["type"], **_DEFAULTS.get(tool["type"], {}), **tool} for tool in sent]


_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "function": {"description": None, "parameters": None, "strict": True},
    "custom": {"format": {"type": "text"}},
}
