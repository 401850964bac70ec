"""What OpenAI runs itself: tools and items of the Responses API that are taken, but left alone.

Owns the lists of their types; what else they hold is not looked at.
"""

from collections.abc import Iterable
from typing import cast

import msgspec
from msgspec import Struct

TOOLS = (
    "file_search",
    "computer",
    "computer_use_preview",
    "web_search",
    "web_search_2025_08_26",
    "mcp",
    "code_interpreter",
    "programmatic_tool_calling",
    "image_generation",
    "local_shell",
    "shell",
    "namespace",
    "tool_search",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "apply_patch",
)
"""API reference, "Create a model response", `tools`."""

TOOL_CHOICES = (*TOOLS, "computer_use")

ITEMS = (
    "reasoning",
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "web_search_call",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "configuration_update",
    "compaction",
    "compaction_trigger",
    "image_generation_call",
    "code_interpreter_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "program",
    "program_output",
)
"""API reference, "Create a model response", `input`."""


class Hosted(Struct):
    """Something of OpenAI's own, known by its type only."""


def hosted(types: Iterable[str]) -> tuple[type[Hosted], ...]:
    """One class for each of `types`, so that they can stand in a tagged union."""
    return tuple(
        cast(
            type[Hosted],
            msgspec.defstruct(f"Hosted_{name}", [], bases=(Hosted,), tag_field="type", tag=name),
        )
        for name in types
    )


def listing(*values: str) -> str:
    """`'a', 'b', and 'c'`, as OpenAI's error messages list the values allowed."""
    *others, last = (f"'{value}'" for value in values)
    return f"{', '.join(others)}{',' * (len(others) > 1)} and {last}" if others else last
