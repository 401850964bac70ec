"""The answer of the API that is recorded, understood as it arrives: events, or an error.

Knows no endpoint (a decoder does) and no socket.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llm_proxy.core.reply import Stamped
from llm_proxy.errors import PassedOn, ProxyError, UpstreamError
from llm_proxy.mock.recording.upstream import Arrivals, Head, Piece
from llm_proxy.openai_api import errors, sse
from llm_proxy.openai_api.decoder import Decoded, Decoder, Misunderstood

MAX_EVENT_BYTES = 8 * 1024 * 1024
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

_PASSED_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry")


class Heard(Struct, frozen=True):
    """What was said, and when, in seconds since the question was asked."""

    event: Decoded
    at: float


def heard(arrivals: Arrivals, decoder: Decoder) -> Generator[Heard | None, None, None]:
    """Yield what the API says the moment it arrives, and None while it says nothing.

    The API answers in the form that it chooses: what it calls an event stream is read as one,
    and JSON as a document, whatever was asked for.

    Raises:
        PassedOn: the API answered with an error, or told of one in its stream.
        UpstreamError: it failed, or what it said is no answer.
    """
    try:
        with closing(arrivals):
            for arrived in arrivals:
                if isinstance(arrived, Head):
                    for one in _answered(arrived, arrivals, decoder):
                        if one is not None and isinstance(one.event, Stamped):
                            limited = replace(one.event, limits=limits_told(arrived))
                            one = Heard(limited, one.at)
                        yield one
                    return
                yield None
    except Misunderstood as error:
        raise _no_answer(f"an answer that is none: {error}") from None
    except sse.EventTooLarge:
        raise _no_answer(f"an event of more than {MAX_EVENT_BYTES} bytes") from None


def document(head: Head, arrivals: Arrivals) -> Iterator[Piece | None]:
    """Wait for an answer that is one JSON document: None now and then, then all of it at once.

    Raises:
        PassedOn, UpstreamError: as `heard` does.
    """
    received: list[bytes] = []
    at = 0.0
    for piece in _pieces(arrivals):
        if piece is None:
            yield None
        else:
            received.append(piece.received)
            at = piece.at
    whole = b"".join(received)
    if head.status != 200:
        raise refusal(head, whole)
    if head.media_type != errors.MEDIA_TYPE:
        raise _no_answer(head.media_type or "a body without a media type")
    yield Piece(whole, at)


def refusal(head: Head, document: bytes) -> ProxyError:
    """The error that an answer with another status than 200 is."""
    status = head.status
    if status < 400:
        return _no_answer(f"HTTP status {status}, which is no answer (redirects are not followed)")
    headers = limits_told(head)
    headers |= {name: head.headers[name] for name in _PASSED_HEADERS if name in head.headers}
    try:
        told = errors.passed_on(msgspec.json.decode(document), status, headers)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = None
    return told or PassedOn(
        f"The API that MOCK_RECORD names answered with HTTP status {status}, and not in "
        "the form of OpenAI's errors.",
        status=status,
        type="upstream_error",
        code="upstream_status",
        headers=headers,
    )


def limits_told(head: Head) -> dict[str, str]:
    """The headers in which the API tells of its rate limits."""
    return {name: value for name, value in head.headers.items() if name.startswith("x-ratelimit-")}


def _answered(head: Head, arrivals: Arrivals, decoder: Decoder) -> Iterator[Heard | None]:
    if head.status == 200 and head.media_type == sse.MEDIA_TYPE:
        yield from _streamed(_pieces(arrivals), decoder)
        return
    for whole in document(head, arrivals):
        if whole is None:
            yield None
        else:
            yield from (Heard(event, whole.at) for event in decoder.whole(whole.received))


def _streamed(pieces: Iterable[Piece | None], decoder: Decoder) -> Iterator[Heard | None]:
    payloads = sse.Payloads(MAX_EVENT_BYTES)
    at = 0.0
    for piece in pieces:
        if piece is None:
            yield None
            continue
        at = piece.at
        for payload in payloads.feed(piece.received):
            yield from _told(payload, decoder, at)
            if decoder.over:
                return
    for payload in payloads.end():
        yield from _told(payload, decoder, at)
    if not decoder.over:
        for event in decoder.end():
            yield Heard(event, at)


def _told(payload: bytes, decoder: Decoder, at: float) -> Iterator[Heard]:
    if payload.strip():
        for event in decoder.feed(payload):
            yield Heard(event, at)


def _pieces(arrivals: Arrivals) -> Iterator[Piece | None]:
    """The pieces of the body behind the head, as long as there is room for them."""
    length = 0
    for arrived in arrivals:
        if isinstance(arrived, Piece):
            length += len(arrived.received)
            if length > MAX_DOCUMENT_BYTES:
                raise _no_answer(f"more than {MAX_DOCUMENT_BYTES} bytes")
        assert not isinstance(arrived, Head)
        yield arrived


def _no_answer(what: str) -> UpstreamError:
    return UpstreamError(
        f"The API that MOCK_RECORD names answered with {what}. "
        "Check that MOCK_RECORD is its base URL, such as https://api.openai.com/v1.",
        code="upstream_not_an_answer",
    )
