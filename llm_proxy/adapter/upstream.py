"""The upstream client: asks the legacy API and yields the payloads of its events.

Owns the connection, its time limits and its failures. Must not know what a payload means.
"""

import logging
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from types import MappingProxyType
from typing import Any, cast

import requests
import urllib3
from sseclient import SSEClient

from llm_proxy.adapter.framing import EventTooLarge, Framing
from llm_proxy.adapter.question import search_url
from llm_proxy.adapter.wire import UpstreamSilent, UpstreamSlow, arrivals
from llm_proxy.errors import UpstreamError, UpstreamTimeout
from llm_proxy.settings import AdapterSettings

log = logging.getLogger(__name__)

TURN_SECONDS = 0.25
"""How long a silent upstream is waited for before the caller gets a turn."""

POOL_SIZE = 256
"""Connections kept for reuse: as many as `gunicorn.conf.py` lets requests run at once."""

JSON = "application/json"

NO_PARAMS: Mapping[str, str] = MappingProxyType({})

Payloads = Generator[str | None, None, None]


class _Session(requests.Session):
    """A session that leaves redirects alone.

    Even where they are not followed, requests reads the body of one to its end and parses
    where it leads.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        return None


class Upstream:
    """The legacy API at one URL; shared by all threads of a process."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._settings = settings
        self._session = _Session()
        # A cookie set in one user's answer must not go out with another's question.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        # Neither ~/.netrc, which replaces an Authorization header, nor proxies from the
        # environment have a say in where the question goes.
        self._session.trust_env = False
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=POOL_SIZE)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._session.headers.update(
            {
                "Accept": "text/event-stream",
                # A server that compresses may hold words back until a block is full.
                "Accept-Encoding": "identity",
                "Cache-Control": "no-store",
            }
        )
        if settings.bearer_token:
            self._session.headers["Authorization"] = f"Bearer {settings.bearer_token}"
        if settings.cookie:
            self._session.headers["Cookie"] = settings.cookie
        self._session.headers.update(settings.headers)

    def payloads(self, query: str, params: Mapping[str, str] = NO_PARAMS) -> Payloads:
        """Yield the payload of each event the moment it is there, and `None` now and then
        while there is nothing.

        The end of the body is the end of the answer. `params` are set in the query string.

        Raises:
            UpstreamError: the legacy API cannot be reached, answers with an error or with
                something that is no event stream, or breaks off.
            UpstreamTimeout: it takes longer than one of its time limits.
        """
        settings = self._settings
        deadline = time.monotonic() + settings.total_timeout_seconds
        framing = Framing(settings.max_event_bytes)
        with _translated_errors(), self._asked(query, params, deadline) as response:
            _check(response)
            received = arrivals(response, TURN_SECONDS, settings.idle_timeout_seconds, deadline)
            for piece in received:
                if piece is None:
                    yield None
                    continue
                for event in framing.feed(piece):
                    yield from _payloads(event)
            for event in framing.end():
                yield from _payloads(event)

    def posted(self, url: str, document: bytes) -> bytes:
        """The JSON document that the legacy API answers to one that is posted to `url`.

        Raises:
            UpstreamError: it cannot be reached, or answers with an error or with something
                that is no JSON.
            UpstreamTimeout: it takes longer than one of its time limits.
        """
        settings = self._settings
        limits = urllib3.Timeout(
            total=settings.total_timeout_seconds,
            connect=settings.connect_timeout_seconds,
            read=settings.idle_timeout_seconds,
        )
        with (
            _translated_errors(),
            self._session.post(
                url,
                data=document,
                headers={"Accept": JSON, "Content-Type": JSON},
                stream=True,
                timeout=cast(Any, limits),
            ) as response,
        ):
            _check(response, JSON)
            answer: bytes = response.raw.read(settings.max_event_bytes + 1, decode_content=True)
            if len(answer) > settings.max_event_bytes:
                raise EventTooLarge
            return answer

    def _asked(self, query: str, params: Mapping[str, str], deadline: float) -> requests.Response:
        settings = self._settings
        limits = urllib3.Timeout(
            total=settings.total_timeout_seconds,
            connect=settings.connect_timeout_seconds,
            read=settings.idle_timeout_seconds,
        )
        ask = partial(
            self._session.get,
            search_url(settings.url, settings.query_param, query, settings.max_query_bytes, params),
            stream=True,
            timeout=cast(Any, limits),  # taken as it is, though its type does not say so
        )
        try:
            try:
                return ask()
            except requests.ConnectionError as error:
                # A kept connection may be closed by the other side just as it is used again,
                # before it saw the question: a new one then gets a fair try.
                if not isinstance(_bottom(error), ConnectionResetError | BrokenPipeError):
                    raise
                return ask()
        except requests.Timeout:
            if time.monotonic() < deadline:
                raise
            raise UpstreamSlow from None


def _payloads(event: bytes) -> Iterator[str]:
    """The payload of one framed event, if it has one.

    Bytes that are no UTF-8 are replaced, as WHATWG HTML 9.2.6 has it; the decoder behind
    would give up.
    """
    clean = event.decode(errors="replace").encode()
    for decoded in SSEClient(iter([clean])).events():
        yield decoded.data


def _check(response: requests.Response, wanted: str = "text/event-stream") -> None:
    """Refuse an answer of another media type than `wanted` before anything is read of it.

    Raises:
        UpstreamError: says what came instead.
    """
    if response.status_code != 200:
        raise UpstreamError(
            f"The legacy search API answered with HTTP status {response.status_code}. "
            "Check STREAM_URL and the credentials (STREAM_BEARER_TOKEN, STREAM_COOKIE).",
            code="upstream_status",
        )
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != wanted:
        raise UpstreamError(
            "The legacy search API answered with "
            f"{media_type or 'a body without a media type'} instead of {wanted}. "
            "Check that STREAM_URL is the address of its stream, and that its login is valid.",
            code="upstream_not_a_stream",
        )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Say as one of ours what requests, urllib3 and our own reading raise.

    The messages are ours throughout: theirs name the address of the upstream.
    """
    try:
        yield
    except (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
        raise UpstreamTimeout(
            "The legacy search API did not accept a connection within STREAM_CONNECT_TIMEOUT. "
            "Check that it runs and that STREAM_URL is its address."
        ) from None
    except (requests.Timeout, urllib3.exceptions.ReadTimeoutError, UpstreamSilent):
        raise UpstreamTimeout(
            "The legacy search API sent nothing for as long as STREAM_IDLE_TIMEOUT allows."
        ) from None
    except UpstreamSlow:
        raise UpstreamTimeout(
            "The legacy search API took longer than STREAM_TOTAL_TIMEOUT for its answer."
        ) from None
    except EventTooLarge:
        raise UpstreamError(
            "The legacy search API sent an event larger than STREAM_MAX_EVENT_BYTES."
        ) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        log.warning("The upstream failed: %s", _cause(error))
        raise UpstreamError(
            "The legacy search API cannot be reached, or broke off its answer. "
            "Check that it runs and that STREAM_URL is its address."
        ) from None


def _cause(error: BaseException) -> str:
    """What happened at the bottom of `error`, without the URL that the layers above it name."""
    bottom = _bottom(error)
    return f"{type(bottom).__name__}: {getattr(bottom, 'strerror', None) or 'no reason given'}"


def _bottom(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error
