"""The account of an exchange: what is written down of it, made of what it held on to.

Runs in the thread that writes, not in the one that answers. Knows no database.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from llm_proxy.errors import ProxyError
from llm_proxy.exchange import Exchange
from llm_proxy.folding import collect
from llm_proxy.journal import timeline
from llm_proxy.journal.entry import MAX_REQUEST_BYTES, Entry
from llm_proxy.journal.redacted import redacted_document
from llm_proxy.journal.timeline import plain_texts
from llm_proxy.journal.warnings import warnings_of
from llm_proxy.namespaces import bearer_key, key_namespace
from llm_proxy.reply import ChatRequest, Choice, Finish
from llm_proxy.trace import MAX_ANSWER_BYTES, Trace

MAX_SAID = 64 * 1024
"""Characters that are kept of each text of a reply."""

MAX_MESSAGES = 200
"""The last ones of a conversation, of which it is told how they were understood."""

MAX_SHOWN = 200
"""Characters of `question` and `answer`."""

_NOT_TOLD = frozenset({"authorization", "cookie", "proxy-authorization", "api-key", "x-api-key"})

Redacted = Callable[[str], str]


class Account(NamedTuple):
    """What is written down of an exchange: what is listed, and the rest as JSON and bytes."""

    entry: Entry
    details: str
    timeline: bytes


NOTHING: Mapping[str, Any] = {
    "query": "",
    "headers": {},
    "peer": "",
    "keyFingerprint": "",
    "requestDigest": "",
    "understood": None,
    "warnings": [],
    "error": None,
    "fault": None,
    "notes": [],
    "readOn": False,
    "reply": None,
    "reasoningTokens": 0,
    "cachedTokens": 0,
    "eventsLeftOut": 0,
    "answerHeaders": {},
    "response": "",
}
"""The details of an exchange of which nothing is known.

- `query`, `headers`, `peer`, `keyFingerprint`, `requestDigest`: of the request. Headers that
  hold keys are left out.
- `understood`: the request as the server took it, without the conversation's texts.
- `warnings`: objects with `kind` (`refused`, `unknown`, `ignored`), `param`, `message`.
- `error`: `status`, `type`, `code`, `param`, `message` of the error that it was answered with,
  or that broke it off. `fault`: what was made to go wrong. `notes`: what sources told of how
  they did. `readOn`: the client closed its side of the connection, and went on reading.
- `reply`: `choices`, each with `text`, `reasoning`, `refusal`, `toolCalls`, `citations`,
  `finishReason`; `cut` tells that a text was longer than `MAX_SAID`.
- `eventsLeftOut`: of the time line. `answerHeaders`, and `response`, the beginning of the
  answer as it was sent.
"""


def account(exchange: Exchange, redacted: Redacted) -> Account:
    """What is to be written down of an exchange, without secrets."""
    trace = exchange.trace
    assert trace is not None
    over = exchange.over  # before all that changes until it is
    asked, usage = exchange.asked, exchange.usage
    events, at = timeline.apart(trace.events, trace.at)
    texts = plain_texts(events)
    choices = _choices(trace, texts)
    warnings = warnings_of(asked, exchange)
    told = {
        "query": trace.query,
        "headers": _told(trace.headers.items()),
        "peer": trace.peer,
        "keyFingerprint": key_namespace(bearer_key(trace.headers)),
        "requestDigest": _digest(exchange.request_body),
        "understood": asked and _understood(asked),
        "warnings": warnings,
        "error": exchange.error and _error(exchange.error),
        "fault": exchange.fault,
        "notes": exchange.notes,
        "readOn": trace.read_on,
        "reply": {"choices": choices} if choices else None,
        "reasoningTokens": usage.reasoning_tokens if usage else 0,
        "cachedTokens": usage.cached_tokens if usage else 0,
        "eventsLeftOut": trace.left_out,
        "answerHeaders": _told((name.lower(), value) for name, value in trace.answer_headers),
        "response": b"".join(trace.pieces)[:MAX_ANSWER_BYTES].decode(errors="replace"),
    }
    details = msgspec.json.encode({name: value for name, value in told.items() if value})
    shown = {
        "namespace": exchange.namespace,
        "path": exchange.path,
        "model": exchange.model or "",
        "origin": exchange.origin,
        "client": trace.headers.get("user-agent", "")[:MAX_SHOWN],
        "question": asked.last_user_text()[:MAX_SHOWN] if asked else "",
        "answer": _answer(choices, exchange.error)[:MAX_SHOWN],
    }
    shown, kept = _clean(shown, details, redacted)
    body = exchange.request_body
    legible = body and len(body) <= MAX_REQUEST_BYTES
    first = trace.at[0] if trace.at else None
    entry = Entry(
        id=exchange.id,
        time=exchange.came_at,
        namespace=shown["namespace"],
        method=exchange.method,
        path=shown["path"],
        status=exchange.status,
        model=None if exchange.model is None else shown["model"],
        stream=exchange.stream,
        request=msgspec.Raw(redacted_document(body, redacted).encode() if legible else b"null"),
        request_bytes=len(body),
        response_bytes=exchange.size,
        outcome=exchange.ended_as or exchange.outcome,
        over=over,
        origin=shown["origin"],
        first_ms=None if first is None else _ms(first - exchange.began),
        duration_ms=_ms(exchange.seconds if over else exchange.elapsed_seconds()),
        prompt_tokens=None if usage is None else usage.prompt_tokens,
        completion_tokens=None if usage is None else usage.completion_tokens,
        event_count=len(at) + trace.left_out,
        warning_count=len(warnings),
        client=shown["client"],
        question=shown["question"],
        answer=shown["answer"],
    )
    return Account(entry, kept, timeline.kept(events, at, exchange.began, texts))


def _clean(shown: dict[str, str], details: bytes, redacted: Redacted) -> tuple[dict[str, str], str]:
    """Both without secrets; most often there are none, which is found out in one go."""
    text = details.decode()
    looked_at = "\n".join((*shown.values(), text))
    if redacted(looked_at) == looked_at:
        return shown, text
    clean = {name: redacted(value) for name, value in shown.items()}
    return clean, redacted_document(details, redacted)


def _choices(trace: Trace, texts: Sequence[str] | None) -> list[Mapping[str, Any]]:
    """The choices of the reply, folded; a reply that is one text is folded at once."""
    if trace.reply is not None:
        return [_choice(choice, choice.reason) for choice in trace.reply.choices]
    if texts is None:
        return [_choice(choice, choice.reason) for choice in collect(list(trace.events)).choices]
    last = trace.events[-1]
    reason = last.reason if isinstance(last, Finish) else None
    return [_choice(Choice(("".join(texts),)), reason)]


def _answer(choices: Sequence[Mapping[str, Any]], error: ProxyError | None) -> str:
    """What was said, or in its place."""
    for choice in choices[:1]:
        calls = ", ".join(f"{call['name']}()" for call in choice["toolCalls"])
        if said := choice["text"] or choice["refusal"] or calls:
            return str(said)
    return error.message if error else ""


def _digest(body: bytes) -> str:
    """What tells one request from another, even if it is too long to be kept."""
    return hashlib.blake2b(body, digest_size=16).hexdigest() if body else ""


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
            for message in asked.messages[-MAX_MESSAGES:]
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


def _error(error: ProxyError) -> Mapping[str, Any]:
    return {
        "status": error.status,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        "message": error.message,
    }


def _choice(choice: Choice, reason: str | None) -> Mapping[str, Any]:
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
        "finishReason": reason,
        "cut": _is_cut(text, choice.reasoning, choice.refusal, *_arguments(choice)),
    }


def _arguments(choice: Choice) -> Sequence[str]:
    return [call.arguments for call in choice.tool_calls]


def _is_cut(*texts: str) -> bool:
    return any(len(text) > MAX_SAID for text in texts)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
