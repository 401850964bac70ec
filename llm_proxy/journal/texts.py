"""What of an exchange has come from outside, as text: what is kept of it, and without secrets.

To look for those takes longer than all else that is done for the journal, so nothing is looked
at twice.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
from msgspec import Struct

from llm_proxy.journal.entry import MAX_REQUEST_BYTES
from llm_proxy.journal.folded import Folded, beginning
from llm_proxy.journal.redacted import (
    Noticing,
    Redacted,
    redacted_beginning,
    redacted_document,
    unmasked,
)
from llm_proxy.namespaces import bearer_key, key_namespace
from llm_proxy.records import cut
from llm_proxy.records.exchange import Exchange
from llm_proxy.records.trace import MAX_ANSWER_BYTES, Trace

MAX_SHOWN = 200
"""Characters of `model`, `origin`, `client`, `question` and `answer`."""

MAX_PATH = 1000
"""Characters of the path."""

MAX_STREAM_BYTES = 2 * 1024
"""Of a stream so much is kept of its beginning as it was sent: its events are kept, too."""

_LOOKED_AT = MAX_SHOWN + cut.MAX_SECRET

MAX_REMEMBERED = 4 * 1024
"""Characters of headers that are likely to come again; longer ones would take too much memory."""

MAX_SENDERS = 256

_SENDERS: dict[tuple[tuple[str, str], ...], str] = {}
"""What headers tell, as clients send the same ones again and again."""

NO_REQUEST = "null"

_NOT_TOLD = frozenset({"authorization", "cookie", "proxy-authorization", "api-key", "x-api-key"})

_encoded = msgspec.json.Encoder().encode


class _Sender(Struct, frozen=True, rename="camel"):
    headers: Mapping[str, str]
    key_fingerprint: str


class Texts(NamedTuple):
    """What has come from outside, or may have, as it is kept.

    `request` is None where it cannot be kept as it was sent. `shown` are the texts of an `Entry`
    in their order: namespace, path, model, origin, client, question, answer.
    """

    request: str | None
    sender: str
    details: str
    answered: str
    response: str
    shown: tuple[str, ...]


def texts_of(exchange: Exchange, trace: Trace, choices: Sequence[Folded], details: bytes) -> Texts:
    """The texts as they came; `choices` are those of the answer, `details` are JSON."""
    asked, error = exchange.asked, exchange.error
    most = most_sent(exchange) + cut.MAX_SECRET
    question = asked.last_user_text() if asked else ""
    answer = beginning(choices) or (error.message if error else "")
    return Texts(
        _as_sent(exchange),
        _sender(trace.headers),
        details.decode(),
        _encoded(trace.answer_headers).decode(),
        b"".join(trace.pieces)[:most].decode(errors="replace"),
        (
            exchange.namespace,
            exchange.path,
            exchange.model or "",
            exchange.origin,
            trace.headers.get("user-agent", "")[:_LOOKED_AT],
            question[:_LOOKED_AT],
            answer[:_LOOKED_AT],
        ),
    )


def is_clear(
    exchange: Exchange, choices: Sequence[Folded], texts: Texts, redacted: Redacted
) -> bool:
    """Whether there is no secret in any of the texts, which are not looked at twice.

    What an answer to a request that was understood tells stands in the request, in the details,
    in the headers of the request or in what the reply was signed with, if there are `choices`.
    Of one that is cut it cannot be told.
    """
    if texts.request is None or any(choice.cut for choice in choices):
        return False
    if not redacted.clears(texts.sender, again=True):
        return False
    asked, stamped = exchange.asked, exchange.stamped
    looked_at = [
        exchange.path,
        exchange.origin,
        stamped.model or "",
        stamped.id or "",
        stamped.fingerprint or "",
        stamped.service_tier or "",
        texts.details,
        unmasked(texts.request),
    ]
    if stamped.limits:
        looked_at.append(texts.answered)
    of_its_own = asked is not None and asked.previous is None and not asked.references
    if not of_its_own or exchange.error is not None or not choices:
        looked_at += [*texts.shown, texts.answered, texts.response]
    return redacted.clears("\n".join(looked_at))


def without_secrets(exchange: Exchange, texts: Texts, details: bytes, redacted: Noticing) -> Texts:
    """The same without secrets, with other `details`, and without a request that is too long."""
    body = exchange.request_body or NO_REQUEST.encode()
    legible = len(body) <= MAX_REQUEST_BYTES
    request = redacted_document(body, redacted) if legible else NO_REQUEST
    clean = redacted_document(details, redacted)
    answered = redacted_document(texts.answered.encode(), redacted)
    # It was cut by its bytes, of which there may be more than characters.
    response = cut.beginning(redacted(texts.response), exchange.size, most_sent(exchange))
    shown = (
        *map(redacted, texts.shown[:4]),
        *(redacted_beginning(one, MAX_SHOWN, redacted) for one in texts.shown[4:]),
    )
    if redacted.found and _is_in_pieces(exchange):  # each of which may be part of a secret
        response = ""
    sender = redacted_document(texts.sender.encode(), redacted)
    return Texts(request, sender, clean, answered, response, shown)


def most_sent(exchange: Exchange) -> int:
    """So many bytes are kept of the answer as it was sent."""
    return MAX_STREAM_BYTES if exchange.open else MAX_ANSWER_BYTES


def _is_in_pieces(exchange: Exchange) -> bool:
    """Whether the answer tells what was said by words, as a stream and log probabilities do."""
    asked = exchange.asked
    return exchange.open or (asked is not None and asked.top_logprobs is not None)


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


def _sender(headers: Mapping[str, str]) -> str:
    """What the headers of a request tell, as JSON."""
    key = tuple(headers.items())
    known = _SENDERS.get(key)
    if known is not None:
        return known
    told = {name: value for name, value in key if name not in _NOT_TOLD}
    made = _encoded(_Sender(told, key_namespace(bearer_key(headers)))).decode()
    if sum(map(len, chain.from_iterable(key))) <= MAX_REMEMBERED:
        if len(_SENDERS) >= MAX_SENDERS:
            _SENDERS.clear()
        _SENDERS[key] = made
    return made
