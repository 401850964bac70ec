"""Failures: what goes wrong with the upstream, said as one of our errors.

The messages are ours throughout and say what to check: those of the libraries name the address
of the upstream. Clients read messages, too: none begins with a number, and none holds a word
that makes Continue ask again (`overloaded`, `529`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from llm_proxy.adapter.account import Account
from llm_proxy.adapter.framing import EventTruncated
from llm_proxy.errors import UpstreamError, UpstreamTimeout
from llm_proxy.openai_api.sse import EventTooLarge
from llm_proxy.upstream.causes import cause_named, causes
from llm_proxy.upstream.patience import OutOfPatience

_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,60}")  # RFC 6838, 4.2, and no stranger ones

_NO_ANSWER = "Check that it runs and that STREAM_URL is its address."


def unconnected() -> UpstreamTimeout:
    return UpstreamTimeout(
        "The legacy search API did not accept a connection within STREAM_CONNECT_TIMEOUT. "
        + _NO_ANSWER
    )


def silent() -> UpstreamTimeout:
    return UpstreamTimeout(
        "The legacy search API sent nothing for as long as STREAM_IDLE_TIMEOUT allows."
    )


def slow() -> UpstreamTimeout:
    return UpstreamTimeout(
        "The legacy search API took longer than STREAM_TOTAL_TIMEOUT for its answer."
    )


def no_events() -> UpstreamError:
    return UpstreamError(
        "The legacy search API ended its answer without a single event. "
        "Check that STREAM_URL is the address of its stream, and look into its log.",
        code="upstream_no_events",
    )


def named(status: int) -> str:
    """An HTTP status, as a message may name it."""
    return "a server error" if status == 529 else f"HTTP status {status}"


def check_answer(response: requests.Response, accepted: str, credentials: str) -> None:
    """Refuse an answer of another media type than the one `accepted`, or of an error.

    `credentials` names what the upstream was shown.

    Raises:
        UpstreamError: says what came instead.
    """
    status = response.status_code
    if status != 200:
        advice = (
            "Look into its log."
            if status >= 500
            else f"Check STREAM_URL and the credentials ({credentials})."
        )
        raise UpstreamError(
            f"The legacy search API answered with {named(status)}. {advice}", code="upstream_status"
        )
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != accepted:
        if not media_type:
            media_type = "a body without a media type"
        elif not _MEDIA_TYPE.fullmatch(media_type) or "overloaded" in media_type:
            media_type = "another media type"
        raise UpstreamError(
            f"The legacy search API answered with {media_type} instead of {accepted}. "
            "Check that STREAM_URL is the right address, and that its login is valid.",
            code="upstream_not_a_stream",
        )


def check_json(document: bytes) -> None:
    """Refuse what is called JSON and is none: half of it is, where the connection ends a body.

    Raises:
        UpstreamError: it is none.
    """
    try:
        msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise UpstreamError(
            "The legacy search API answered with what is no JSON, though it says so. "
            "Look into its log, and into that of what stands between."
        ) from None


@contextmanager
def translated(account: Account) -> Iterator[None]:
    """Say as one of ours what requests, urllib3 and our own reading raise.

    What was at the bottom of it goes into the account.
    """
    try:
        yield
    except UpstreamError as error:
        if error.__cause__ is not None:
            account.broke(cause_named(error.__cause__))
        raise
    except EventTooLarge:
        raise UpstreamError(
            "The legacy search API sent an event larger than STREAM_MAX_EVENT_BYTES."
        ) from None
    except EventTruncated:
        raise UpstreamError(
            "The legacy search API broke off its answer within an event. "
            "Look into its log, and into that of what stands between."
        ) from None
    except OutOfPatience as error:
        raise {"connect": unconnected, "idle": silent, "total": slow}[error.limit]() from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        account.broke(cause_named(error))
        raise _failure(error) from None


def _failure(error: Exception) -> UpstreamError:
    under = list(causes(error))
    unnamed = NameResolutionError, requests.exceptions.InvalidURL
    if any(isinstance(cause, unnamed) for cause in under):
        return UpstreamError(
            "The host that STREAM_URL names has no address here. Check its spelling, and that "
            "this machine can look up names."
        )
    if any(isinstance(cause, NewConnectionError) for cause in under):
        return UpstreamError(f"The legacy search API cannot be reached. {_NO_ANSWER}")
    if any(isinstance(cause, ConnectTimeoutError) for cause in under):
        return unconnected()
    if any(isinstance(cause, TimeoutError) for cause in under):
        return silent()
    if isinstance(error, requests.exceptions.SSLError):
        return UpstreamError(
            "No secure connection to the legacy search API can be made. Check its certificate, "
            "that its authority is known (STREAM_CA_FILE), and that STREAM_URL says https rightly."
        )
    if isinstance(error, requests.RequestException):
        return UpstreamError(
            "The legacy search API closed the connection without an answer in HTTP. " + _NO_ANSWER
        )
    return UpstreamError(
        "The legacy search API broke off its answer. "
        "Look into its log, and into that of what stands between."
    )
