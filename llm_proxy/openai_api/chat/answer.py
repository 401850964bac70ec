"""Chat completions: what is answered, as chunks and as one document.

Source of the shapes: API reference, "Chat completion object" and "Chat completion chunk
object".
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_proxy.core.chat_request import ChatRequest, ToolCall
from llm_proxy.core.reply import (
    Annotations,
    Choice,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Said,
    TextDelta,
    TextRun,
    ToolCallDelta,
)
from llm_proxy.openai_api.chat.request import parse
from llm_proxy.openai_api.chunks import ChunkEncoder, cited, usage_object
from llm_proxy.openai_api.logprobs import chat_logprobs
from llm_proxy.openai_api.surface import Stamp, Surface


class ChatEncoder(ChunkEncoder):
    """Writes a reply down as chat completion chunks.

    What stands around a text is the same in all its chunks, so it is written once; only the
    text is encoded for each chunk.
    """

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        head = {
            "id": stamp.named("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": stamp.created,
            "model": request.model,
            **_signature(request, stamp),
        }
        super().__init__(head, request)
        self._open: set[int] = set()
        self._around: dict[int, Sequence[bytes]] = {}

    def encode(self, event: Said) -> bytes:
        if type(event) is TextDelta and (around := self._around.get(event.choice)):
            before, behind = around
            return before + _json(event.text) + behind
        match event:
            case TextDelta(text, choice):
                chunk = self._chunk(choice, b'{"content":' + _json(text) + b"}", text)
            case ReasoningDelta(text, choice):
                chunk = self._chunk(choice, b'{"reasoning_content":' + _json(text) + b"}")
            case RefusalDelta(text, choice):
                chunk = self._chunk(choice, b'{"refusal":' + _json(text) + b"}")
            case ToolCallDelta():
                chunk = self._chunk(event.choice, _json(_call_delta(event, self._request)))
            case Finish(reason, _, choice):
                reason = finish_reason(reason, self._request)
                chunk = self._chunk(choice, b"{}", reason=reason, more=self._finished(event))
            case Annotations():
                return self._annotated(event)
        if event.choice in self._open:
            return chunk
        self._open.add(event.choice)
        if self._request.top_logprobs is None:
            # JSON holds no zero byte, so that there is one place for the text.
            self._around[event.choice] = self._chunk(event.choice, b'{"content":\0}').split(b"\0")
        return self._chunk(event.choice, b'{"role":"assistant","content":""}') + chunk

    def encode_run(self, run: TextRun) -> bytes:
        around = self._around.get(run.choice)
        if around is None:
            return super().encode_run(run)
        before, behind = around
        return b"".join([before + _json(piece) + behind for piece in run.pieces])

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
        written = b'{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}'
        return self._written(written % (choice, delta, logprobs, finish_reason), more)


def body(reply: Reply, request: ChatRequest, stamp: Stamp) -> bytes:
    """The chat completion object of a whole reply."""
    return _json(
        {
            "id": stamp.named("chatcmpl-"),
            "object": "chat.completion",
            "created": stamp.created,
            "model": request.model,
            "choices": [
                _choice(index, choice, request) for index, choice in enumerate(reply.choices)
            ],
            "usage": usage_object(reply.usage),
            **_signature(request, stamp),
        }
        | cited(reply)
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


def _signature(request: ChatRequest, stamp: Stamp) -> dict[str, str]:
    """What the backend says of itself."""
    signed = {"service_tier": service_tier(request, stamp), "system_fingerprint": stamp.fingerprint}
    return {name: value for name, value in signed.items() if value is not None}


def service_tier(request: ChatRequest, stamp: Stamp) -> str | None:
    """The tier that served the request: what was asked for, or the default one."""
    if stamp.verbatim:
        return stamp.service_tier
    asked = request.document.get("service_tier")
    return "default" if asked in (None, "auto") else str(asked)


_json = msgspec.json.Encoder().encode

SURFACE = Surface(path="/chat/completions", parse=parse, encoder=ChatEncoder, body=body)
