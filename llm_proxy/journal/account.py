"""The account of an exchange: what is written down of it, made of what it held on to.

Runs in the thread that has answered, when the answer is gone, and yet slows the answers: what
can still be made when somebody reads is left to `hindsight`. Knows no database.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llm_proxy.core.reply import Fact, WireFault
from llm_proxy.errors import ProxyError
from llm_proxy.journal import timeline
from llm_proxy.journal.entry import UNCOUNTED, Account
from llm_proxy.journal.folded import Folded, folded, trimmed
from llm_proxy.journal.hindsight import digest, understood
from llm_proxy.journal.redacted import Noticing, Redacted, shortened
from llm_proxy.journal.texts import (
    MAX_PATH,
    MAX_SHOWN,
    is_clear,
    most_sent,
    texts_of,
    without_secrets,
)
from llm_proxy.journal.warnings import Told, warnings_of
from llm_proxy.records.exchange import Exchange
from llm_proxy.records.trace import Trace

_encoded = msgspec.json.Encoder().encode

MAX_MESSAGE = 4 * 1024
"""Characters that are kept of each text of an error, where it may be longer than the request."""


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
    warnings: Sequence[Told] = []


def account(exchange: Exchange, redacted: Redacted) -> Account:
    """What is to be written down of an exchange, without secrets."""
    trace = exchange.trace
    assert trace is not None
    over = exchange.over  # before all that changes until it is
    so_far = exchange.course.so_far()
    choices = folded(trace.reply, so_far)
    details = _details(exchange, trace, choices)
    texts = texts_of(exchange, trace, choices, _encoded(details))
    warning_count = UNCOUNTED if exchange.asked else 0
    if not is_clear(exchange, choices, texts, redacted):
        # Of what is kept then it could not be found out how the request had been understood.
        warnings = warnings_of(exchange.asked, exchange.objections(), exchange.origin, redacted)
        warning_count = warnings.in_all
        noticing = Noticing(redacted)
        choices = [trimmed(choice, noticing) for choice in choices]
        details = _details(exchange, trace, choices)
        details = _looked_into(details, exchange, warnings.told, redacted)
        texts = without_secrets(exchange, texts, _encoded(details), noticing)
    namespace, path, model, origin, client, question, answer = texts.shown
    began, usage = exchange.began, exchange.usage
    listed = (
        exchange.id,
        exchange.came_at,
        namespace,
        exchange.method,
        path[:MAX_PATH],
        exchange.status,
        None if exchange.model is None else model[:MAX_SHOWN],
        exchange.stream,
        texts.request,
        len(exchange.request_body),
        exchange.size,
        exchange.ended_as or exchange.outcome,
        over,
        origin[:MAX_SHOWN],
        _ms(so_far.moments[0] - began) if so_far.moments else None,
        _ms(exchange.seconds if over else exchange.elapsed_seconds()),
        usage and usage.prompt_tokens,
        usage and usage.completion_tokens,
        exchange.course.left_out + so_far.pieces,
        warning_count,
        client[:MAX_SHOWN],
        question[:MAX_SHOWN],
        answer[:MAX_SHOWN],
    )
    return Account(
        listed,
        texts.sender,
        texts.details,
        texts.answered,
        texts.response[: most_sent(exchange)],
        timeline.kept(so_far, began),
    )


def _details(exchange: Exchange, trace: Trace, choices: Sequence[Folded]) -> _Details:
    usage, error = exchange.usage, exchange.error
    return _Details(
        trace.query,
        trace.peer,
        _error(error) if error else None,
        exchange.fault,
        exchange.notes,
        trace.read_on,
        _Reply(choices) if choices else None,
        usage.reasoning_tokens if usage else 0,
        usage.cached_tokens if usage else 0,
        exchange.course.left_out,
    )


def _looked_into(
    details: _Details, exchange: Exchange, warnings: Sequence[Told], redacted: Redacted
) -> _Details:
    """The details with what could else be found out later, and no text that is too long."""
    return replace(
        details,
        error=details.error and _shortened(details.error, redacted),
        request_digest=digest(exchange.request_body),
        understood=exchange.asked and understood(exchange.asked, redacted),
        warnings=warnings,
    )


def _error(error: ProxyError) -> Mapping[str, Any]:
    return {
        "status": error.status,
        "type": error.type,
        "code": error.code,
        "param": error.param,
        "message": error.message,
    }


def _shortened(error: Mapping[str, Any], redacted: Redacted) -> Mapping[str, Any]:
    return {
        name: shortened(value, MAX_MESSAGE, redacted) if isinstance(value, str) else value
        for name, value in error.items()
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
