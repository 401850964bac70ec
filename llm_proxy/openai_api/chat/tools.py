"""Tools in a chat completion request: their JSON shapes, and the nouns they become.

Source of the shapes: API reference, "Create chat completion", `tools`, `tool_choice`,
`functions`, `function_call`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from llm_proxy.core.chat_request import Tool, ToolChoice
from llm_proxy.errors import InvalidRequest

SUPPORTED = {
    "tools.type": "'function' and 'custom'",
    "tool_choice": "'none', 'auto', and 'required'",
    "tool_choice.type": "'function', 'custom', and 'allowed_tools'",
    "function_call": "'none' and 'auto'",
}
"""Allowed values by the path of the field, as an error message lists them."""


class FunctionDefinition(Struct, omit_defaults=True):
    name: str
    description: str | UnsetType | None = UNSET
    parameters: dict[str, Any] | UnsetType | None = UNSET
    strict: bool | UnsetType | None = UNSET


class CustomDefinition(Struct, omit_defaults=True):
    name: str
    description: str | UnsetType | None = UNSET
    format: dict[str, Any] | UnsetType | None = UNSET


class FunctionTool(Struct, tag_field="type", tag="function"):
    function: FunctionDefinition


class CustomTool(Struct, tag_field="type", tag="custom"):
    custom: CustomDefinition


class Named(Struct):
    name: str


class FunctionChoice(Struct, tag_field="type", tag="function"):
    function: Named


class CustomChoice(Struct, tag_field="type", tag="custom"):
    custom: Named


class AllowedTools(Struct):
    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


class AllowedToolsChoice(Struct, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedTools


WireTool = FunctionTool | CustomTool
WireToolChoice = (
    Literal["none", "auto", "required"] | FunctionChoice | CustomChoice | AllowedToolsChoice
)


def tools(wire: Iterable[WireTool]) -> tuple[Tool, ...]:
    """The nouns for the tools of a request."""
    return tuple(map(_tool, wire))


def functions(wire: Iterable[FunctionDefinition]) -> tuple[Tool, ...]:
    """The nouns for the functions of a request in the older form."""
    return tuple(_tool(FunctionTool(function)) for function in wire)


def _tool(wire: WireTool) -> Tool:
    definition = msgspec.to_builtins(wire)
    if isinstance(wire, CustomTool):
        form = wire.custom.format or {}
        pattern = grammar(form.get("grammar"))
        return Tool(name=wire.custom.name, definition=definition, custom=True, pattern=pattern)
    return Tool(
        name=wire.function.name,
        definition=definition,
        parameters=wire.function.parameters or {},
    )


def grammar(described: object) -> str | None:
    """The pattern that a grammar is, if it is one; those in Lark are left alone."""
    match described:
        case {"syntax": "regex", "definition": str(pattern)}:
            return pattern
        case _:
            return None


def _allowed_name(tool: Mapping[str, Any]) -> str | None:
    """The name of an allowed tool; it stands below the type, or, in Responses, beside it."""
    below = tool.get(str(tool.get("type")))
    name = (below if isinstance(below, dict) else tool).get("name")
    return name if isinstance(name, str) else None


def tool_choice(
    wire: WireToolChoice | None, offered: Sequence[Tool], param: str = "tool_choice"
) -> ToolChoice:
    """The noun for a tool choice; without one, `auto` where there are tools.

    Raises:
        InvalidRequest: a tool is chosen that is not offered.
    """
    match wire:
        case None:
            return ToolChoice("auto" if offered else "none")
        case FunctionChoice(Named(name)) | CustomChoice(Named(name)):
            choice = ToolChoice("required", (name,))
        case AllowedToolsChoice(AllowedTools(mode, allowed)):
            names = tuple(filter(None, map(_allowed_name, allowed)))
            choice = ToolChoice(mode, names) if names else ToolChoice("none")
        case str(mode):
            choice = ToolChoice(mode)
    known = {tool.name for tool in offered}
    for name in choice.names:
        if name not in known:
            raise InvalidRequest(
                f"Tool choice '{name}' not found in 'tools' parameter.", param=param
            )
    if choice.mode == "required" and not offered:
        raise InvalidRequest(
            "'tool_choice' is only allowed when 'tools' are specified.", param=param
        )
    return choice
