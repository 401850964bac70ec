"""The response object: a reply in the Responses API, whole or as far as it has come.

Source of the shape: API reference, "The response object".
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import FinishReason, Reply, Usage
from llm_proxy.openai_api.chat.answer import service_tier
from llm_proxy.openai_api.responses.items import Item, output
from llm_proxy.openai_api.responses.tools import echoed
from llm_proxy.openai_api.surface import Stamp

_INCOMPLETE: dict[FinishReason, str] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}


def body(reply: Reply, request: ChatRequest, stamp: Stamp) -> bytes:
    """The response object of a whole reply."""
    choice = reply.choices[0]
    items = output(choice, request, stamp)
    return msgspec.json.encode(
        finished(items, choice.reason, reply.usage, choice.citations, request, stamp)
    )


def finished(
    items: Sequence[Item],
    reason: FinishReason,
    usage: Usage,
    citations: Sequence[str],
    request: ChatRequest,
    stamp: Stamp,
) -> dict[str, Any]:
    """The response object of a reply that came to its end."""
    incomplete = _INCOMPLETE.get(reason)
    response = _response("incomplete" if incomplete else "completed", items, request, stamp)
    response["incomplete_details"] = {"reason": incomplete} if incomplete else None
    # No clock here: the time at which the reply began has to do.
    response["completed_at"] = None if incomplete else stamp.created
    response["usage"] = _usage_object(usage)
    if citations:
        response["citations"] = citations
    return response


def under_way(request: ChatRequest, stamp: Stamp) -> dict[str, Any]:
    """The response object of a reply that has only begun."""
    return _response("in_progress", (), request, stamp)


def failed(message: str, status: int, request: ChatRequest, stamp: Stamp) -> dict[str, Any]:
    """The response object of a reply that broke off for a failure with this HTTP status."""
    response = _response("failed", (), request, stamp)
    code = "rate_limit_exceeded" if status == 429 else "server_error"
    response["error"] = {"code": code, "message": message}
    return response


def _response(
    status: Literal["in_progress", "completed", "incomplete", "failed"],
    items: Sequence[Item],
    request: ChatRequest,
    stamp: Stamp,
) -> dict[str, Any]:
    sent = request.document
    conversation = sent.get("conversation")
    response = {
        "id": stamp.named("resp_"),
        "object": "response",
        "created_at": stamp.created,
        "status": status,
        "background": sent.get("background") or False,
        "completed_at": None,
        "conversation": {"id": conversation} if isinstance(conversation, str) else conversation,
        "error": None,
        "incomplete_details": None,
        "instructions": sent.get("instructions"),
        "max_output_tokens": request.max_tokens,
        "max_tool_calls": sent.get("max_tool_calls"),
        "metadata": sent.get("metadata") or {},
        "model": request.model,
        "output": items,
        "parallel_tool_calls": request.parallel_tool_calls,
        "previous_response_id": request.previous,
        "prompt": sent.get("prompt"),
        "prompt_cache_key": sent.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None} | (sent.get("reasoning") or {}),
        "safety_identifier": sent.get("safety_identifier"),
        "service_tier": service_tier(request, stamp),
        "store": request.store,
        "temperature": _or(sent.get("temperature"), 1.0),
        "text": _text(sent.get("text") or {}),
        "tool_choice": _or(sent.get("tool_choice"), "auto"),
        "tools": echoed(sent.get("tools") or ()),
        "top_logprobs": _or(sent.get("top_logprobs"), 0),
        "top_p": _or(sent.get("top_p"), 1.0),
        "truncation": _or(sent.get("truncation"), "disabled"),
    }
    if sent.get("user") is not None:  # the API reference does not let it be null
        response["user"] = sent["user"]
    return response


def _or(sent: Any, default: Any) -> Any:
    return default if sent is None else sent


def _text(sent: dict[str, Any]) -> dict[str, Any]:
    wanted = sent.get("format") or {"type": "text"}
    if wanted["type"] == "json_schema":
        defaults = {"strict": False}
        wanted = defaults | {name: value for name, value in wanted.items() if value is not None}
    return {"format": wanted, "verbosity": sent.get("verbosity") or "medium"}


def _usage_object(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
