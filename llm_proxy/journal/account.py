"""The account of an exchange: what is written down of it, made of what it held on to.

Runs in the thread that writes, not in the one that answers. Knows no database.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from llm_proxy.exchange import Exchange
from llm_proxy.folding import collect
from llm_proxy.journal.entry import MAX_REQUEST_BYTES, Entry
from llm_proxy.journal.events import MAX_TIMED, timed
from llm_proxy.journal.redacted import redacted_document
from llm_proxy.journal.warnings import warnings_of
from llm_proxy.namespaces import bearer_key, key_namespace
from llm_proxy.reply import ChatRequest, Choice, Reply
from llm_proxy.trace import Trace

MAX_SAID = 64 * 1024
"""Characters that are kept of each text of a reply."""

MAX_SHOWN = 200
"""Characters of `question` and `answer`."""

_NOT_TOLD = frozenset({"authorization", "cookie", "proxy-authorization", "api-key", "x-api-key"})

Redacted = Callable[[str], str]


def account(exchange: Exchange, redacted: Redacted) -> tuple[Entry, str]:
    """What is listed of an exchange, and the JSON of all else; both without secrets.

    The details are:

    - `query`, `headers`, `peer`, `keyFingerprint`, `requestDigest`: of the request. Headers
      that hold keys are left out.
    - `understood`: the request as the server took it, without the conversation's texts.
    - `warnings`: objects with `kind` (`refused`, `unknown`, `ignored`), `param`, `message`.
    - `error`: `status`, `type`, `code`, `param`, `message` of the error that it was answered
      with, or that broke it off.
    - `fault`: what was made to go wrong; `notes`: what sources told of how they did.
    - `reply`: `choices`, each with `text`, `reasoning`, `refusal`, `toolCalls`, `citations`,
      `finishReason`; `cut` tells that a text was longer than `MAX_SAID`.
    - `usage`: `promptTokens`, `completionTokens`, `reasoningTokens`, `cachedTokens`.
    - `timeline`: a list of `[ms, kind, choice, characters]`; `eventsLeftOut`: of the events.
    - `answerHeaders`, and `response`, the beginning of the answer as it was sent.
    """
    trace = exchange.trace
    assert trace is not None
    asked, reply = exchange.asked, _reply(trace)
    warnings = warnings_of(asked, exchange)
    body = exchange.request_body
    kept = body and len(body) <= MAX_REQUEST_BYTES
    usage = exchange.usage
    first = next(iter(trace.at), None)
    text = reply.choices[0].text if reply and reply.choices else ""
    entry = Entry(
        id=exchange.id,
        time=exchange.came_at,
        namespace=redacted(exchange.namespace),
        method=exchange.method,
        path=redacted(exchange.path),
        status=exchange.status,
        model=None if exchange.model is None else redacted(exchange.model),
        stream=exchange.stream,
        request=msgspec.Raw(redacted_document(body, redacted).encode() if kept else b"null"),
        request_bytes=len(body),
        response_bytes=trace.size,
        outcome=exchange.ended_as or exchange.outcome,
        over=exchange.over,
        origin=redacted(exchange.origin),
        first_ms=None if first is None else _ms(first - exchange.began),
        duration_ms=_ms(exchange.seconds or exchange.elapsed_seconds()),
        prompt_tokens=None if usage is None else usage.prompt_tokens,
        completion_tokens=None if usage is None else usage.completion_tokens,
        event_count=len(trace.at) + trace.left_out,
        warning_count=len(warnings),
        client=redacted(trace.headers.get("user-agent", ""))[:MAX_SHOWN],
        question=redacted((asked.last_user_text() if asked else "")[:MAX_SHOWN]),
        answer=redacted((text or _refusal(exchange, reply))[:MAX_SHOWN]),
    )
    details = {
        "query": trace.query,
        "headers": _told(trace.headers.items()),
        "peer": trace.peer,
        "keyFingerprint": key_namespace(bearer_key(trace.headers)),
        "requestDigest": hashlib.blake2b(body, digest_size=16).hexdigest() if body else "",
        "understood": asked and _understood(asked),
        "warnings": warnings,
        "error": exchange.error and _error(exchange),
        "fault": exchange.fault,
        "notes": exchange.notes,
        "reply": reply and {"choices": [_choice(choice) for choice in reply.choices]},
        "usage": usage and _usage(exchange),
        "timeline": timed(trace.events, trace.at, exchange.began),
        "eventsLeftOut": trace.left_out,
        "answerHeaders": _told((n.lower(), v) for n, v in trace.answer_headers),
        "response": b"".join(trace.pieces).decode(errors="replace"),
    }
    return entry, redacted_document(msgspec.json.encode(details), redacted)


def _reply(trace: Trace) -> Reply | None:
    if trace.reply is not None:
        return trace.reply
    return collect(list(trace.events)) if trace.events else None


def _refusal(exchange: Exchange, reply: Reply | None) -> str:
    """What was said in place of an answer."""
    if reply and reply.choices:
        choice = reply.choices[0]
        return choice.refusal or ", ".join(f"{call.name}()" for call in choice.tool_calls)
    return exchange.error.message if exchange.error else ""


def _told(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name not in _NOT_TOLD}


def _understood(asked: ChatRequest) -> Mapping[str, Any]:
    return {
        "endpoint": asked.endpoint,
        "model": asked.model,
        "messages": [
            {
                "role": message.role,
                "characters": len(message.text),
                "attachments": message.attachments,
                "toolCalls": [call.name for call in message.tool_calls],
            }
            for message in asked.messages[-MAX_TIMED:]
        ],
        "stream": asked.stream,
        "includeUsage": asked.include_usage,
        "tools": [tool.name for tool in asked.tools],
        "toolChoice": asked.tool_choice.mode,
        "jsonAnswer": asked.schema is not None,
        "n": asked.n,
        "stop": asked.stop,
        "maxTokens": asked.max_tokens,
        "seed": asked.seed,
        "store": asked.store,
        "previous": asked.previous,
    }


def _error(exchange: Exchange) -> Mapping[str, Any]:
    error = exchange.error
    assert error is not None
    return {
        "status": error.status,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        "message": error.message,
    }


def _choice(choice: Choice) -> Mapping[str, Any]:
    text = choice.text
    return {
        "text": text[:MAX_SAID],
        "reasoning": choice.reasoning[:MAX_SAID],
        "refusal": choice.refusal[:MAX_SAID],
        "toolCalls": [
            {"id": call.id, "name": call.name, "arguments": call.arguments[:MAX_SAID]}
            for call in choice.tool_calls
        ],
        "citations": choice.citations,
        "finishReason": choice.reason,
        "cut": _is_cut(text, choice.reasoning, choice.refusal, *_arguments(choice)),
    }


def _arguments(choice: Choice) -> Sequence[str]:
    return [call.arguments for call in choice.tool_calls]


def _is_cut(*texts: str) -> bool:
    return any(len(text) > MAX_SAID for text in texts)


def _usage(exchange: Exchange) -> Mapping[str, int]:
    usage = exchange.usage
    assert usage is not None
    return {
        "promptTokens": usage.prompt_tokens,
        "completionTokens": usage.completion_tokens,
        "reasoningTokens": usage.reasoning_tokens,
        "cachedTokens": usage.cached_tokens,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
