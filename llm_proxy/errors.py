"""Every way a request can fail, as one tree of exceptions.

Owns the status, type and code that OpenAI's API uses for each failure. Must not
know how an error is written down (that is `openai_api.errors`) nor import anything
of ours.
"""

import errno
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

DO_NOT_RETRY: Mapping[str, str] = MappingProxyType({"x-should-retry": "false"})
"""The header by which the official SDKs skip their own retries."""


class ProxyError(Exception):
    """A failure with an answer: an HTTP status before the first event, an error event after it.

    `message` is shown to the client: it says what was wrong, what was seen and what is
    allowed, and never holds a secret or the address of an upstream. `param` is the path of
    the offending field in the request (`messages[2].content`).
    """

    status: int = 500
    type: str = "server_error"
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code

    default_code: ClassVar[str | None] = None


class InvalidRequest(ProxyError):
    """The request itself is wrong; sending it again will not help."""

    status = 400
    type = "invalid_request_error"


class InvalidJSON(InvalidRequest):
    """The body is not a JSON document."""

    default_code = "invalid_json"


class InvalidAPIKey(InvalidRequest):
    """No API key came with the request, or not one of ours."""

    status = 401
    default_code = "invalid_api_key"


class Forbidden(InvalidRequest):
    """The request may not be made from where it comes."""

    status = 403
    default_code = "forbidden"


class UnknownURL(InvalidRequest):
    """There is nothing at this path."""

    status = 404
    default_code = "unknown_url"


class ModelNotFound(InvalidRequest):
    """The model named is not one that is listed."""

    status = 404
    default_code = "model_not_found"


class WrongEndpoint(InvalidRequest):
    """The model is there, and this endpoint is none of its."""

    status = 404


class NotStored(InvalidRequest):
    """No stored object has this id: never made, made without `store`, deleted or long ago."""

    status = 404


class NotServed(InvalidRequest):
    """The path is OpenAI's, but this half of the server has no answer to it."""

    status = 404
    default_code = "not_served"


class MethodNotAllowed(InvalidRequest):
    """The path exists, but not for this method (RFC 9110, 15.5.6: `Allow` names those it has)."""

    status = 405
    default_code = "method_not_supported"

    def __init__(self, message: str, *, allowed: str) -> None:
        super().__init__(message)
        self.headers = {"Allow": allowed}


class BodyTooLarge(InvalidRequest):
    """The body is longer than `LLM_PROXY_MAX_BODY_BYTES`."""

    status = 413
    default_code = "request_too_large"


class UnsupportedMediaType(InvalidRequest):
    """The body is of a kind that is not taken here (RFC 9110, 15.5.16)."""

    status = 415
    default_code = "unsupported_media_type"


class RateLimited(ProxyError):
    """The client has used up what it may ask in a minute; `limit` is of `requests` or `tokens`."""

    status = 429
    default_code = "rate_limit_exceeded"

    def __init__(self, message: str, *, limit: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.type = limit
        self.headers = headers


class TooManyListeners(ProxyError):
    """More clients want to watch than may; one of them has to leave first."""

    status = 503
    default_code = "too_many_listeners"


class StorageUnusable(ProxyError):
    """What the workers share cannot be read or written, at least not now."""

    status = 503
    default_code = "storage_unusable"


class InternalError(ProxyError):
    """A fault of this program; the log has the traceback."""

    default_code = "internal_error"


class UpstreamError(ProxyError):
    """The server behind us failed, or answered something that is no answer."""

    status = 502
    type = "upstream_error"
    default_code = "upstream_failed"
    headers = DO_NOT_RETRY


class UpstreamTimeout(UpstreamError):
    """The server behind us took longer than it may."""

    status = 504
    default_code = "upstream_timeout"


class UpstreamDown(UpstreamError):
    """The server behind the adapter failed so often that it is left alone for a while."""

    default_code = "upstream_down"


class UpstreamBusy(UpstreamError):
    """The server behind the adapter is asked as much as it may be: later there may be room.

    The one failure of an upstream that may be retried (RFC 9110, 15.6.4 and 10.2.3).
    """

    status = 503
    default_code = "upstream_busy"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(retry_after_seconds)}


class AsTold(ProxyError):
    """A failure whose looks are somebody else's to say."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str,  # noqa: A002
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message, param=param)
        self.code = code  # none, if they gave none
        self.status = status
        self.type = type
        self.headers = headers


class PassedOn(AsTold, UpstreamError):
    """What another OpenAI-compatible API said of the request, as it said it."""


class ScriptedError(AsTold):
    """A failure that somebody asked for."""


class NoFixtureMatch(InvalidRequest):
    """No fixture answers the request, and nothing else is to (`MOCK_REPLY=none`)."""

    status = 404
    default_code = "no_fixture_match"


class FaultNotPossible(ProxyError):
    """The fault that was asked for is one that this server cannot make (RFC 9110, 15.6.2)."""

    status = 501
    type = "invalid_request_error"
    default_code = "fault_not_possible"


class ClientGone(Exception):
    """The client closed its connection: there is nobody left to answer."""


class ConnectionCut(BrokenPipeError):
    """The connection was ended in the middle of an answer, as somebody had asked for.

    To a server it looks as if the client had left: it closes the connection without ending
    the body, and without a word in its log.
    """

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, "the connection was cut, as asked for")
