"""The body of a Responses request: its JSON shape.

Source of the shape: API reference, "Create a model response".
"""

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

from llm_proxy.openai_api.responses import tools as wire
from llm_proxy.openai_api.responses.hosted import listing

Includable = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]

SUPPORTED = {
    **wire.SUPPORTED,
    "include": listing(*get_args(Includable)),
    "text.format.type": "'json_object', 'json_schema', and 'text'",
    "truncation": "'auto' and 'disabled'",
}
"""Allowed values by the path of the field, as an error message lists them."""


class TextFormat(Struct, tag_field="type", tag="text"):
    pass


class JsonObjectFormat(Struct, tag_field="type", tag="json_object"):
    pass


class JsonSchemaFormat(Struct, tag_field="type", tag="json_schema"):
    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class Text(Struct):
    format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    verbosity: str | None = None


class Reasoning(Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class StreamOptions(Struct):
    include_obfuscation: bool | None = None


class Reference(Struct):
    id: str


class ResponsesBody(Struct):
    """The fields we know, with the types that the API reference gives them."""

    model: str | None = None
    input: str | list[Any] | None = None
    instructions: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[wire.WireTool] | None = None
    tool_choice: wire.WireToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    max_output_tokens: Annotated[int, Meta(ge=0)] | None = None
    text: Text | None = None
    include: list[Includable] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | Reference | None = None
    prompt: Reference | None = None
    background: bool | None = None
    background_options: dict[str, Any] | None = None
    context_management: list[dict[str, Any]] | None = None
    moderation: dict[str, Any] | None = None
    access_programs: dict[str, Any] | None = None
    image: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
