"""What the answer may consist of: the tools on offer, and the format of the text.

Source of the rules: API reference, `tools` and `response_format`; guide "Structured outputs".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.openai_api.strict.bounds import (
    Objections,
    array,
    mapping,
    named,
    no_longer,
    not_empty,
    refused,
)
from llm_proxy.openai_api.strict.schema import format_problem, function_problem

MAX_TOOLS = 128


def tools(request: ChatRequest) -> Objections:
    """Tools have a name of their own and a legal schema, and are not too many for a chat."""
    if request.endpoint == "chat":
        sent = request.document.get("tools")
        yield from not_empty("tools", "array", sent)
        yield from no_longer("tools", "array", len(array(sent)), MAX_TOOLS)
    seen = set()
    for param, tool in _definitions(request):
        name = tool.get("name")
        yield from named(f"{param}.name", name)
        if name in seen:
            yield refused(f"Tool names must be unique, but '{name}' comes twice.", f"{param}.name")
        seen.add(name)
        problem = function_problem(mapping(tool.get("parameters")), tool.get("strict") is True)
        if problem:
            yield refused(
                f"Invalid schema for function '{name}': {problem}",
                f"{param}.parameters",
                "invalid_function_parameters",
            )


def _definitions(request: ChatRequest) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tools that have a name, each with its path; the Responses API has them flat."""
    for index, sent in enumerate(array(request.document.get("tools"))):
        tool, param = mapping(sent), f"tools[{index}]"
        kind = tool.get("type")
        if kind in ("function", "custom"):
            if request.endpoint == "chat":
                param, tool = f"{param}.{kind}", mapping(tool.get(kind))
            if isinstance(tool.get("name"), str):
                yield param, tool
    for index, sent in enumerate(array(request.document.get("functions"))):
        if isinstance(mapping(sent).get("name"), str):
            yield f"functions[{index}]", sent


def answer_format(request: ChatRequest) -> Objections:
    """JSON is asked for in words too, and a strict schema is one that can be kept."""
    if request.endpoint == "responses":
        sent = described = mapping(mapping(request.document.get("text")).get("format"))
        param, schema_param, code = "text.format", "text.format.schema", "invalid_json_schema"
    else:
        sent = mapping(request.document.get("response_format"))
        described = mapping(sent.get("json_schema"))
        param, schema_param, code = "response_format.json_schema", "response_format", None
    if sent.get("type") == "json_object":
        yield from _json_in_words(request)
    if sent.get("type") != "json_schema":
        return
    yield from named(f"{param}.name", described.get("name"))
    schema = described.get("schema")
    if described.get("strict") is True and isinstance(schema, dict):
        problem = format_problem(schema)
        if problem:
            name = described.get("name")
            message = f"Invalid schema for response_format '{name}': {problem}"
            yield refused(message, schema_param, code)


def _json_in_words(request: ChatRequest) -> Objections:
    chat = request.endpoint == "chat"
    # The instructions of a response do not count, and a stored conversation is not seen.
    own = request.messages[0 if chat or not request.document.get("instructions") else 1 :]
    if request.previous is not None or any("json" in one.text.lower() for one in own):
        return
    if chat:
        yield refused(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of "
            "type 'json_object'.",
            "messages",
        )
    else:
        yield refused(
            "Response input messages must contain the word 'json' in some form to use "
            "'text.format' of type 'json_object'.",
            "text.format",
        )
