"""The client of the API that is recorded: asks it, and yields its answer as it arrives.

Owns the connection, its time limits and its failures. Must not know what an answer means.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
import requests
import urllib3
from msgspec import Struct

from llm_proxy.errors import ProxyError, UpstreamError, UpstreamTimeout

log = logging.getLogger(__name__)

TURN_SECONDS = 0.25
"""How long a silent API is waited for before the caller gets a turn."""

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

READ_BYTES = 65536


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
    """The API below one base URL.

    `key` is sent in place of the client's own, which is passed on only if `passes_keys`. The
    API may be silent for `silence_seconds`.
    """

    def __init__(
        self, base: str, key: str, silence_seconds: float, *, passes_keys: bool = True
    ) -> None:
        self.key = key
        self._base = base
        self._limits = urllib3.Timeout(connect=CONNECT_SECONDS, read=silence_seconds)
        self._passes_keys = passes_keys

    def ask(
        self, path: str, document: Mapping[str, Any], headers: Mapping[str, str], *, stream: bool
    ) -> Arrivals:
        """POST a document to `path` below the base.

        A thread reads the answer, so that the caller has its turns while the API has not even
        begun to answer, and a slow caller does not spoil the times.

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
        # A server that compresses may hold words back until a block is full.
        sent["accept-encoding"] = "identity"

        def post(session: requests.Session) -> requests.Response:
            return session.post(
                _joined(self._base, path),
                data=msgspec.json.encode(document),
                headers=sent,
                stream=True,
                timeout=self._limits,  # type: ignore[arg-type] # taken as it is
                allow_redirects=False,
            )

        asked = _Asked(post)
        threading.Thread(target=asked.read, daemon=True).start()
        try:
            while True:
                try:
                    arrived = asked.arrived.get(timeout=TURN_SECONDS)
                except Empty:
                    yield None
                    continue
                if arrived is None:
                    return
                if isinstance(arrived, Exception):
                    raise _translated(arrived)
                yield arrived
        finally:
            asked.leave()


class _Asked:
    """One question under way, and what has arrived of its answer; None is the end."""

    def __init__(self, post: Callable[[requests.Session], requests.Response]) -> None:
        self.arrived: SimpleQueue[Head | Piece | Exception | None] = SimpleQueue()
        self._post = post
        self._lock = threading.Lock()
        self._left = False
        self._response: requests.Response | None = None

    def read(self) -> None:
        """Read the answer to its end, or until nobody wants it any more."""
        began = time.monotonic()
        try:
            # A session of its own: no cookie of one client goes out with the question of
            # another, and no connection that is cut serves two.
            with _Session() as session, self._post(session) as response:
                with self._lock:
                    self._response = response
                    if self._left:
                        return
                self.arrived.put(_head(response))
                while received := response.raw.read1(READ_BYTES, decode_content=True):
                    self.arrived.put(Piece(received, time.monotonic() - began))
            self.arrived.put(None)
        except Exception as error:
            self.arrived.put(error)

    def leave(self) -> None:
        """Stop reading, as nobody wants the rest.

        An answer that has not begun cannot be stopped; it is when it does.
        """
        with self._lock:
            self._left = True
            if self._response is not None:
                with suppress(ValueError, RuntimeError, OSError):  # read to its end already
                    self._response.raw.shutdown()


class _Session(requests.Session):
    """A session that leaves redirects alone, and the developer's proxies and ~/.netrc.

    Even where redirects are not followed, requests reads the body of one to its end and
    parses where it leads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        return None


def _joined(base: str, path: str) -> str:
    """The URL of `path` below the base, whose query string is kept."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))


def _head(response: requests.Response) -> Head:
    headers = {name.lower(): value for name, value in response.headers.items()}
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Head(response.status_code, media_type, headers)


def _translated(error: Exception) -> ProxyError:
    """Say as one of ours what requests and urllib3 raise; their messages name the address."""
    if isinstance(error, requests.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError):
        return UpstreamTimeout(
            f"The API that MOCK_RECORD names accepted no connection within {CONNECT_SECONDS:g} s."
        )
    if isinstance(error, requests.Timeout | urllib3.exceptions.ReadTimeoutError):
        return UpstreamTimeout(
            "The API that MOCK_RECORD names sent nothing for as long as MOCK_RECORD_TIMEOUT allows."
        )
    log.warning("The API that is recorded failed: %s", type(_bottom(error)).__name__)
    return UpstreamError(
        "The API that MOCK_RECORD names cannot be reached, or broke off its answer. "
        "Check that it runs and that MOCK_RECORD is its base URL."
    )


def _bottom(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error
