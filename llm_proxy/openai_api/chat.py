"""Chat completions: `POST /chat/completions`.

Source of the shapes: API reference, "Chat completions" and "Chat completion chunk object".
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from llm_proxy.errors import ProxyError
from llm_proxy.openai_api import messages, sse
from llm_proxy.openai_api.decoding import decode_body
from llm_proxy.openai_api.errors import error_body
from llm_proxy.openai_api.surface import Stamp, Surface
from llm_proxy.reply import (
    Annotations,
    ChatRequest,
    Choice,
    Event,
    Finish,
    FinishReason,
    Pause,
    ReasoningDelta,
    Reply,
    TextDelta,
    ToolCallDelta,
    Usage,
)


class StreamOptions(Struct):
    include_usage: bool | None = None


class FunctionDefinition(Struct, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ChatBody(Struct):
    """The fields we know, with the types that the API reference gives them."""

    model: str
    messages: Annotated[list[messages.WireMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[FunctionDefinition] | None = None
    function_call: str | dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


def parse(document: bytes) -> ChatRequest:
    """Decode the body of a chat completion request.

    Raises:
        InvalidRequest: the body is not what the API takes; `param` names the field.
    """
    body, unknown = decode_body(document, ChatBody, messages.SUPPORTED)
    functions = [
        {"type": "function", "function": msgspec.to_builtins(function)}
        for function in body.functions or ()
    ]
    return ChatRequest(
        model=body.model,
        messages=tuple(messages.message(wire) for wire in body.messages),
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        tools=(*(body.tools or ()), *functions),
        unknown=unknown,
    )


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
            }
        ).removesuffix(b"}")
        self._include_usage = request.include_usage
        # With `include_usage` every chunk before the usage chunk carries a null.
        self._tail = b',"usage":null}' if request.include_usage else b"}"
        self._open: set[int] = set()
        self._citations: dict[int, bytes] = {}
        self._usage = Usage(0, 0)

    def encode(self, event: Event) -> bytes:
        match event:
            case TextDelta(text, choice):
                chunk = self._chunk(choice, b'{"content":' + _json(text) + b"}")
            case ReasoningDelta(text, choice):
                chunk = self._chunk(choice, b'{"reasoning_content":' + _json(text) + b"}")
            case ToolCallDelta():
                chunk = self._chunk(event.choice, _json({"tool_calls": [_call_delta(event)]}))
            case Finish(reason, usage, choice):
                self._usage = usage or self._usage
                chunk = self._chunk(choice, b"{}", reason, self._citations.pop(choice, b""))
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
        if not self._include_usage:
            return sse.DONE
        usage = _json(_usage(self._usage))
        return sse.data(self._head + b',"choices":[],"usage":' + usage + b"}") + sse.DONE

    def _chunk(
        self, choice: int, delta: bytes, reason: FinishReason | None = None, more: bytes = b""
    ) -> bytes:
        finish_reason = b"null" if reason is None else b'"' + reason.encode() + b'"'
        return sse.data(
            b'%b,"choices":[{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}]%b%b'
            % (self._head, choice, delta, finish_reason, more, self._tail)
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
            "choices": [_choice(index, choice) for index, choice in enumerate(reply.choices)],
            "usage": _usage(reply.usage),
        }
        | ({"citations": citations} if citations else {})
    )


def _choice(index: int, choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text if choice.text or not choice.tool_calls else None,
        "refusal": None,
        "annotations": [],
    }
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in choice.tool_calls
        ]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": choice.reason}


def _call_delta(event: ToolCallDelta) -> dict[str, Any]:
    """One fragment: id, type and name stand in the first one of a call only."""
    function: dict[str, str] = {"arguments": event.arguments}
    if event.id is None:
        return {"index": event.index, "function": function}
    function = {"name": event.name or ""} | function
    return {"index": event.index, "id": event.id, "type": "function", "function": function}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


_json = msgspec.json.Encoder().encode

SURFACE = Surface(path="/chat/completions", parse=parse, encoder=ChatEncoder, body=body)
