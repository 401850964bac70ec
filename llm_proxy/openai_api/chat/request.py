"""Chat completions: what is asked, `POST /chat/completions`.

Source of the shapes: API reference, "Create chat completion".
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from llm_proxy.core.chat_request import ChatRequest, Tool, ToolChoice
from llm_proxy.openai_api.chat import messages
from llm_proxy.openai_api.chat import tools as wire
from llm_proxy.openai_api.decoding import decode_body, unknown_fields

MAX_CHOICES = 128

SUPPORTED = {
    **messages.SUPPORTED,
    **wire.SUPPORTED,
    "response_format.type": "'json_object', 'json_schema', and 'text'",
}


class StreamOptions(Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class TextFormat(Struct, tag_field="type", tag="text"):
    pass


class JsonObjectFormat(Struct, tag_field="type", tag="json_object"):
    pass


class JsonSchema(Struct):
    name: str
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(Struct, tag_field="type", tag="json_schema"):
    json_schema: JsonSchema


class ChatBody(Struct):
    """The fields we know, with the types that the API reference gives them."""

    model: str
    messages: Annotated[list[messages.WireMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[wire.WireTool] | None = None
    tool_choice: wire.WireToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[wire.FunctionDefinition] | None = None
    function_call: Literal["none", "auto"] | wire.Named | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    moderation: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None


def parse(document: bytes) -> ChatRequest:
    """Decode the body of a chat completion request.

    Raises:
        InvalidRequest: the body is not what the API takes; `param` names the field.
    """
    body, sent = decode_body(document, ChatBody, SUPPORTED)
    offered = wire.tools(body.tools or ()) + wire.functions(body.functions or ())
    max_tokens = body.max_completion_tokens
    return ChatRequest(
        endpoint="chat",
        model=body.model,
        messages=tuple(messages.message(one) for one in body.messages),
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        tools=offered,
        tool_choice=_tool_choice(body, offered),
        # The older form knows one call at a time.
        parallel_tool_calls=body.parallel_tool_calls is not False and not body.functions,
        schema=_schema(body.response_format),
        n=bounded_n(body.n),
        stop=stop_sequences(body.stop),
        max_tokens=body.max_tokens if max_tokens is None else max_tokens,
        top_logprobs=max(body.top_logprobs or 0, 0) if body.logprobs else None,
        seed=body.seed,
        store=bool(body.store),
        document=sent,
        unknown=unknown_fields(sent, ChatBody),
    )


def bounded_n(sent: int | None) -> int:
    """The number of choices: at least one, and no more than OpenAI would make.

    What lies outside is reported by `strict`, which has OpenAI's words for it.
    """
    return min(max(sent or 1, 1), MAX_CHOICES)


def stop_sequences(sent: str | list[str] | None) -> tuple[str, ...]:
    """The stop sequences of a request; an empty one stops nothing."""
    return tuple(filter(None, [sent] if isinstance(sent, str) else sent or ()))


def _tool_choice(body: ChatBody, offered: tuple[Tool, ...]) -> ToolChoice:
    match body.function_call:
        case wire.Named() as named if body.tool_choice is None:
            return wire.tool_choice(wire.FunctionChoice(named), offered, "function_call")
        case "none" | "auto" as mode if body.tool_choice is None:
            return wire.tool_choice(mode, offered, "function_call")
        case _:
            return wire.tool_choice(body.tool_choice, offered)


def _schema(
    response_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None,
) -> dict[str, Any] | None:
    match response_format:
        case JsonObjectFormat():
            return {}
        case JsonSchemaFormat(described):
            return described.schema or {}
        case _:
            return None
