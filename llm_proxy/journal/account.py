"""The account of an exchange: what is written down of it, made of what it held on to.

Runs in the thread that has answered, when the answer is gone, and yet slows the answers: what
can still be made when somebody reads is left to `hindsight`. Knows no database.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llm_proxy.errors import ProxyError
from llm_proxy.exchange import Exchange
from llm_proxy.journal import timeline
from llm_proxy.journal.entry import MAX_REQUEST_BYTES, UNCOUNTED, Account
from llm_proxy.journal.folded import Folded, beginning, folded
from llm_proxy.journal.hindsight import digest, understood
from llm_proxy.journal.redacted import Redacted, redacted_document, unmasked
from llm_proxy.journal.warnings import warnings_of
from llm_proxy.namespaces import bearer_key, key_namespace
from llm_proxy.reply import Fact, WireFault
from llm_proxy.trace import MAX_ANSWER_BYTES

MAX_SHOWN = 200
"""Characters of `question` and `answer`."""

MAX_STREAM_BYTES = 2 * 1024
"""Of a stream so much is kept of its beginning as it was sent: its events are kept, too."""

MAX_SECRET = 1024
"""So much more is looked at of what is cut, lest a part of a secret be left at its end."""

_LOOKED_AT = MAX_SHOWN + MAX_SECRET

MAX_REMEMBERED = 4 * 1024
"""Characters of headers that are likely to come again; longer ones would take too much memory."""

NO_REQUEST = "null"

_NOT_TOLD = frozenset({"authorization", "cookie", "proxy-authorization", "api-key", "x-api-key"})

_encoded = msgspec.json.Encoder().encode


class _Sender(Struct, frozen=True, rename="camel"):
    headers: Mapping[str, str]
    key_fingerprint: str


class _Reply(Struct, frozen=True):
    choices: Sequence[Folded]


class _Details(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What `hindsight.NOTHING` tells of. The last three are made now only if they have to be."""

    query: str = ""
    peer: str = ""
    error: Mapping[str, Any] | None = None
    fault: WireFault | None = None
    notes: Sequence[Mapping[str, Fact]] = []
    read_on: bool = False
    reply: _Reply | None = None
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    events_left_out: int = 0
    request_digest: str = ""
    understood: Mapping[str, Any] | None = None
    warnings: Sequence[Mapping[str, Any]] = []


def account(exchange: Exchange, redacted: Redacted) -> Account:
    """What is to be written down of an exchange, without secrets."""
    trace = exchange.trace
    assert trace is not None
    over = exchange.over  # before all that changes until it is
    so_far = exchange.course.so_far()
    choices = folded(trace.reply, so_far)
    asked, usage, error = exchange.asked, exchange.usage, exchange.error
    headers = trace.headers
    most = MAX_STREAM_BYTES if exchange.open else MAX_ANSWER_BYTES
    details = _Details(
        query=trace.query,
        peer=trace.peer,
        error=None if error is None else _error(error),
        fault=exchange.fault,
        notes=exchange.notes,
        read_on=trace.read_on,
        reply=_Reply(choices) if choices else None,
        reasoning_tokens=usage.reasoning_tokens if usage else 0,
        cached_tokens=usage.cached_tokens if usage else 0,
        events_left_out=exchange.course.left_out,
    )
    usual = sum(map(len, headers)) + sum(map(len, headers.values())) <= MAX_REMEMBERED
    sender = (_sender if usual else _sender.__wrapped__)(tuple(headers.items()))
    answered = _encoded(trace.answer_headers).decode()
    response = b"".join(trace.pieces)[: most + MAX_SECRET].decode(errors="replace")
    shown = (
        exchange.namespace,
        exchange.path,
        exchange.model or "",
        exchange.origin,
        headers.get("user-agent", "")[:_LOOKED_AT],
        asked.last_user_text()[:_LOOKED_AT] if asked else "",
        (beginning(choices) or (error.message if error else ""))[:_LOOKED_AT],
    )
    told = _encoded(details).decode()
    request, warning_count = _as_sent(exchange), UNCOUNTED if asked else 0
    # The rest of what is shown stands in the request, in the details or in the headers.
    looked_at = [exchange.path, exchange.origin, exchange.signed_model or "", told]
    looked_at.append("" if request is None else unmasked(request))
    if asked is None or asked.previous is not None or error is not None or not choices:
        looked_at += [*shown, answered, response]
    if not (
        request is not None
        and redacted.clears(sender, again=usual)
        and redacted.clears("\n".join(looked_at))
    ):
        # Of what is kept then it could not be found out how the request had been understood.
        warnings = warnings_of(asked, exchange.objections(), exchange.origin)
        details = replace(
            details,
            request_digest=digest(exchange.request_body),
            understood=asked and understood(asked),
            warnings=warnings,
        )
        told, warning_count = redacted_document(_encoded(details), redacted), len(warnings)
        shown = tuple(map(redacted, shown))  # type: ignore[assignment]
        sender = redacted_document(sender.encode(), redacted)
        answered = redacted_document(answered.encode(), redacted)
        response = redacted(response)
        legible = len(exchange.request_body) <= MAX_REQUEST_BYTES
        body = exchange.request_body or NO_REQUEST.encode()
        request = redacted_document(body, redacted) if legible else NO_REQUEST
    namespace, path, model, origin, client, question, answer = shown
    listed = (
        exchange.id,
        exchange.came_at,
        namespace,
        exchange.method,
        path,
        exchange.status,
        None if exchange.model is None else model,
        exchange.stream,
        request,
        len(exchange.request_body),
        exchange.size,
        exchange.ended_as or exchange.outcome,
        over,
        origin,
        _ms(so_far.moments[0] - exchange.began) if so_far.moments else None,
        _ms(exchange.seconds if over else exchange.elapsed_seconds()),
        None if usage is None else usage.prompt_tokens,
        None if usage is None else usage.completion_tokens,
        exchange.course.left_out + so_far.pieces,
        warning_count,
        client[:MAX_SHOWN],
        question[:MAX_SHOWN],
        answer[:MAX_SHOWN],
    )
    line = timeline.kept(so_far, exchange.began)
    return Account(listed, sender, told, answered, response[:most], line)


def _as_sent(exchange: Exchange) -> str | None:
    """The request as it is kept if nothing has to be changed in it; None if something has."""
    body = exchange.request_body
    if not body:
        return NO_REQUEST
    if len(body) > MAX_REQUEST_BYTES:
        return None
    try:
        if exchange.asked is None:  # else it has been decoded
            msgspec.json.decode(body)
        return body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


@lru_cache(maxsize=256)  # clients send the same ones again and again
def _sender(headers: tuple[tuple[str, str], ...]) -> str:
    """What the headers of a request tell, as JSON."""
    told = {name: value for name, value in headers if name not in _NOT_TOLD}
    return _encoded(_Sender(told, key_namespace(bearer_key(dict(headers))))).decode()


def _error(error: ProxyError) -> Mapping[str, Any]:
    return {
        "status": error.status,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        "message": error.message,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
