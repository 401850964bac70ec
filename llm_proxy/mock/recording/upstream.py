"""The client of the API that is recorded: asks it, and yields its answer as it arrives.

Owns what is sent, the time limits and the failures. Must not know what an answer means.
"""

import logging
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
import requests
from msgspec import Struct
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from llm_proxy.errors import ProxyError, UpstreamError, UpstreamTimeout
from llm_proxy.upstream.ahead import CallAhead
from llm_proxy.upstream.call import TURN_SECONDS
from llm_proxy.upstream.causes import cause_named, causes
from llm_proxy.upstream.connections import session
from llm_proxy.upstream.patience import Limits, OutOfPatience, Patience
from llm_proxy.work.threads import Threads

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0

PASSED_HEADERS = (
    "authorization",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "traceparent",
    "tracestate",
)
"""What is passed on of the headers of a request; nothing else of them is the API's business."""


class Head(Struct, frozen=True):
    """How an answer begins; the media type and the names of the headers are in lower case."""

    status: int
    media_type: str
    headers: Mapping[str, str]


class Piece(Struct, frozen=True):
    """A piece of the body, and when it arrived, in seconds since the question was asked."""

    received: bytes
    at: float


Arrivals = Generator[Head | Piece | None, None, None]
"""A head, then pieces until the end of the body, and None now and then while nothing comes."""


class Upstream:
    """The API below one base URL; shared by all threads of a process.

    `key` is sent in place of the client's own, which is passed on only if `passes_keys`. The
    API may be silent for `silence_seconds`.
    """

    def __init__(
        self, base: str, key: str, silence_seconds: float, *, passes_keys: bool = True
    ) -> None:
        self.key = key
        self._base = base
        self._limits = Limits(CONNECT_SECONDS, silence_seconds)
        self._passes_keys = passes_keys
        self._session = session()
        self._threads = Threads("upstream-call")

    def secrets(self, sent: str) -> tuple[str, ...]:
        """The keys that nobody is to see, of a client that `sent` one.

        Where neither the API nor we want that, it is a word that stands for a key.
        """
        is_wanted = not (self.key and self._passes_keys)
        return (self.key, sent) if is_wanted else (self.key,)

    def ask(
        self, path: str, document: Mapping[str, Any], headers: Mapping[str, str], *, stream: bool
    ) -> Arrivals:
        """POST a document to `path` below the base.

        A call reads the answer, so that the caller has its turns while the API has not even
        begun to answer, and a slow caller does not spoil the times. Whoever closes what is
        returned gives the call up.

        Raises:
            UpstreamError: the API cannot be reached, or broke off.
            UpstreamTimeout: it took longer than one of its time limits.
        """
        sent = {name: headers[name] for name in PASSED_HEADERS if name in headers}
        if self.key:
            sent["authorization"] = f"Bearer {self.key}"
        elif not self._passes_keys:
            sent.pop("authorization", None)
        sent["content-type"] = "application/json"
        sent["accept"] = "text/event-stream" if stream else "application/json"
        # A kept one may be closed just as it is used again, and nothing is asked twice.
        sent["connection"] = "close"
        post = partial(
            self._session.post,
            _joined(self._base, path),
            data=msgspec.json.encode(document),
            headers=sent,
            stream=True,
            timeout=(self._limits.connect_seconds, None),  # on silence the call is given up
            allow_redirects=False,
        )
        call = CallAhead(lambda _: post())
        patience, began = Patience(self._limits, call), time.monotonic()
        self._threads.run(call.run)
        try:
            with _translated(self._limits):
                yield from _arrivals(call, patience, began)
        finally:
            call.give_up()


def _arrivals(call: CallAhead, patience: Patience, began: float) -> Arrivals:
    begun = False
    while True:
        piece = call.receive(min(TURN_SECONDS, patience.left()))
        if not begun and call.response is not None:
            begun = True
            yield _head(call.response)
        if piece:
            yield Piece(piece, call.arrived_at - began)
            patience.received()
        elif piece is not None:
            return
        else:
            yield None


def _joined(base: str, path: str) -> str:
    """The URL of `path` below the base, whose query string is kept."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))


def _head(response: requests.Response) -> Head:
    told = response.headers.items()
    # One with control characters no server sends on: our whole answer would fail.
    headers = {name.lower(): value for name, value in told if value.isprintable()}
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Head(response.status_code, media_type, headers)


@contextmanager
def _translated(limits: Limits) -> Iterator[None]:
    """Say as one of ours what requests, urllib3 and patience raise; none names the address."""
    try:
        yield
    except ProxyError:
        raise
    except OutOfPatience as error:
        raise _unconnected(limits) if error.limit == "connect" else _silent() from None
    except Exception as error:
        under = list(causes(error))
        refused = any(isinstance(cause, NewConnectionError) for cause in under)
        if not refused and any(isinstance(cause, ConnectTimeoutError) for cause in under):
            raise _unconnected(limits) from None
        if any(isinstance(cause, TimeoutError) for cause in under):
            raise _silent() from None
        log.warning("The API that is recorded failed: %s", cause_named(error))
        raise UpstreamError(
            "The API that MOCK_RECORD names cannot be reached, or broke off its answer. "
            "Check that it runs and that MOCK_RECORD is its base URL."
        ) from None


def _unconnected(limits: Limits) -> UpstreamTimeout:
    return UpstreamTimeout(
        "The API that MOCK_RECORD names accepted no connection within "
        f"{limits.connect_seconds:g} s."
    )


def _silent() -> UpstreamTimeout:
    return UpstreamTimeout(
        "The API that MOCK_RECORD names sent nothing for as long as MOCK_RECORD_TIMEOUT allows."
    )
