"""Chat completions: `POST /chat/completions`.

Source of the shapes: API reference, "Chat completions" and "Chat completion chunk object".
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from llm_proxy.errors import ProxyError
from llm_proxy.openai_api import messages, sse
from llm_proxy.openai_api import tools as wire
from llm_proxy.openai_api.decoding import decode_body, unknown_fields
from llm_proxy.openai_api.errors import error_body
from llm_proxy.openai_api.logprobs import chat_logprobs
from llm_proxy.openai_api.surface import FINGERPRINT, Stamp, Surface
from llm_proxy.reply import (
    Annotations,
    ChatRequest,
    Choice,
    Event,
    Finish,
    FinishReason,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    Usage,
)

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


class ChatEncoder:
    """Writes a reply down as chat completion chunks.

    What stands around a text is the same in all its chunks, so it is written once; only the
    text is encoded for each chunk.
    """

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        self._head = _json(
            {
                "id": f"chatcmpl-{stamp.id}",
                "object": "chat.completion.chunk",
                "created": stamp.created,
                "model": request.model,
                "service_tier": service_tier(request),
                "system_fingerprint": FINGERPRINT,
            }
        ).removesuffix(b"}")
        self._request = request
        # With `include_usage` every chunk before the usage chunk carries a null.
        self._tail = b',"usage":null}' if request.include_usage else b"}"
        self._open: set[int] = set()
        self._citations: dict[int, bytes] = {}
        self._usage = Usage(0, 0)

    def encode(self, event: Event) -> bytes:
        match event:
            case TextDelta(text, choice):
                chunk = self._chunk(choice, b'{"content":' + _json(text) + b"}", text)
            case ReasoningDelta(text, choice):
                chunk = self._chunk(choice, b'{"reasoning_content":' + _json(text) + b"}")
            case RefusalDelta(text, choice):
                chunk = self._chunk(choice, b'{"refusal":' + _json(text) + b"}")
            case ToolCallDelta():
                chunk = self._chunk(event.choice, _json(_call_delta(event, self._request)))
            case Finish(reason, usage, choice):
                self._usage = usage or self._usage
                citations = self._citations.pop(choice, b"")
                reason = finish_reason(reason, self._request)
                chunk = self._chunk(choice, b"{}", reason=reason, more=citations)
            case Annotations(citations, choice):
                self._citations[choice] = b',"citations":' + _json(citations)
                return b""
            case Pause():
                return b""
        if event.choice in self._open:
            return chunk
        self._open.add(event.choice)
        return self._chunk(event.choice, b'{"role":"assistant","content":""}') + chunk

    def fail(self, error: ProxyError) -> bytes:
        return sse.data(error_body(error))

    def end(self) -> bytes:
        if not self._request.include_usage:
            return sse.DONE
        usage = _json(usage_object(self._usage))
        return sse.data(self._head + b',"choices":[],"usage":' + usage + b"}") + sse.DONE

    def _chunk(
        self,
        choice: int,
        delta: bytes,
        text: str | None = None,
        *,
        reason: FinishReason | None = None,
        more: bytes = b"",
    ) -> bytes:
        finish_reason = b"null" if reason is None else b'"' + reason.encode() + b'"'
        logprobs = b"null"
        if text is not None and self._request.top_logprobs is not None:
            logprobs = _json(chat_logprobs((text,), self._request.top_logprobs))
        return sse.data(
            b'%b,"choices":[{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]%b%b'
            % (self._head, choice, delta, logprobs, finish_reason, more, self._tail)
        )


def body(reply: Reply, request: ChatRequest, stamp: Stamp) -> bytes:
    """The chat completion object of a whole reply."""
    citations = next((choice.citations for choice in reply.choices if choice.citations), ())
    return _json(
        {
            "id": f"chatcmpl-{stamp.id}",
            "object": "chat.completion",
            "created": stamp.created,
            "model": request.model,
            "choices": [
                _choice(index, choice, request) for index, choice in enumerate(reply.choices)
            ],
            "usage": usage_object(reply.usage),
            "service_tier": service_tier(request),
            "system_fingerprint": FINGERPRINT,
        }
        | ({"citations": citations} if citations else {})
    )


def _choice(index: int, choice: Choice, request: ChatRequest) -> dict[str, Any]:
    content = choice.text if choice.text or not (choice.tool_calls or choice.refusal) else None
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "refusal": choice.refusal or None,
        "annotations": [],
    }
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls and _older_form(request):
        call = choice.tool_calls[0]
        message["function_call"] = {"name": call.name, "arguments": call.arguments}
    elif choice.tool_calls:
        message["tool_calls"] = [_call(call, request) for call in choice.tool_calls]
    wanted = request.top_logprobs is not None and choice.pieces
    return {
        "index": index,
        "message": message,
        "logprobs": chat_logprobs(choice.pieces, request.top_logprobs or 0) if wanted else None,
        "finish_reason": finish_reason(choice.reason, request),
    }


def _call(call: ToolCall, request: ChatRequest) -> dict[str, Any]:
    if _is_custom(call.name, request):
        custom = {"name": call.name, "input": call.arguments}
        return {"id": call.id, "type": "custom", "custom": custom}
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _call_delta(event: ToolCallDelta, request: ChatRequest) -> dict[str, Any]:
    """One fragment: id, type and name stand in the first one of a call only.

    A custom tool's call streams as a function's: the API's schema of a chunk has no other.
    """
    function: dict[str, str] = {"arguments": event.arguments}
    if event.name is not None:
        function = {"name": event.name} | function
    if _older_form(request):
        return {"function_call": function}
    call: dict[str, Any] = {"index": event.index, "function": function}
    if event.id is not None:
        call = {"index": event.index, "id": event.id, "type": "function", "function": function}
    return {"tool_calls": [call]}


def _older_form(request: ChatRequest) -> bool:
    """Whether the client knows `functions` only, and so looks for a `function_call`."""
    return bool(request.document.get("functions")) and not request.document.get("tools")


def _is_custom(name: str, request: ChatRequest) -> bool:
    return any(tool.custom and tool.name == name for tool in request.tools)


def finish_reason(reason: FinishReason, request: ChatRequest) -> FinishReason:
    """The reason as the client's form of the API spells it."""
    return "function_call" if reason == "tool_calls" and _older_form(request) else reason


def service_tier(request: ChatRequest) -> str:
    """The tier that served the request: what was asked for, or the default one."""
    asked = request.document.get("service_tier")
    return "default" if asked in (None, "auto") else str(asked)


def usage_object(usage: Usage) -> dict[str, Any]:
    """The usage object of chat and legacy completions."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


_json = msgspec.json.Encoder().encode

SURFACE = Surface(path="/chat/completions", parse=parse, encoder=ChatEncoder, body=body)
