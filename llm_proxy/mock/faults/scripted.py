"""Scripted errors: what OpenAI's API says with each status, for errors that are asked for."""

import math

from msgspec import Struct

from llm_proxy.errors import ScriptedError
from llm_proxy.openai_api.allowance import REQUESTS_PER_MINUTE, Left, spelled
from llm_proxy.openai_api.headers import rate_limit_headers

# Clients tell errors apart by their messages (litellm's `exception_mapping_utils`), so they are
# OpenAI's own, as its guide to error codes has them or as they were seen; `content_filter` is
# Azure's. Continue runs a request again for some words in a message ("overloaded"), and takes a
# number at its beginning for a status: neither may stand in one of these.


class _Usual(Struct, frozen=True):
    """The error that is usual for a status; the first of a status is the one without a code.

    `{wait}` in its message is how long to wait.
    """

    status: int
    type: str
    code: str | None
    message: str


_USUAL = (
    _Usual(400, "invalid_request_error", None, "The request could not be understood."),
    _Usual(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in "
        "10000 tokens. Please reduce the length of the messages.",
    ),
    _Usual(
        400,
        "invalid_request_error",
        "content_policy_violation",
        "Your request was rejected as a result of our safety system. Your prompt may contain text "
        "that is not allowed by our safety system.",
    ),
    _Usual(
        400,
        "invalid_request_error",
        "content_filter",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management "
        "policy. Please modify your prompt and retry.",
    ),
    _Usual(
        401,
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
    ),
    _Usual(
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    _Usual(
        404,
        "invalid_request_error",
        "model_not_found",
        "The model does not exist or you do not have access to it.",
    ),
    _Usual(408, "server_error", "timeout", "The request took too long to arrive."),
    _Usual(409, "invalid_request_error", "conflict", "Another request changed the same thing."),
    _Usual(
        429,
        "requests",
        "rate_limit_exceeded",
        f"Rate limit reached for requests per min (RPM): Limit {REQUESTS_PER_MINUTE}, "
        f"Used {REQUESTS_PER_MINUTE}, Requested 1. Please try again in {{wait}}. "
        "Visit https://platform.openai.com/account/rate-limits to learn more.",
    ),
    _Usual(
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, read the docs: "
        "https://platform.openai.com/docs/guides/error-codes/api-errors.",
    ),
    _Usual(
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    _Usual(502, "server_error", "bad_gateway", "Bad gateway."),
    _Usual(
        503,
        "server_error",
        "service_unavailable",
        "The server is busy or not ready yet. Try again later.",
    ),
    _Usual(504, "server_error", "timeout", "Gateway timeout."),
)
_OTHER_4XX = _Usual(0, "invalid_request_error", None, "The request was refused, as asked for.")
_OTHER_5XX = _Usual(0, "server_error", None, "The request failed, as asked for.")

RATE_LIMIT_SECONDS = 1.0
"""What `Retry-After` says with a rate limit where nothing else is asked for."""


def scripted_error(
    status: int,
    *,
    message: str | None = None,
    type: str | None = None,  # noqa: A002
    code: str | None = None,
    param: str | None = None,
    retry_after_seconds: float | None = None,
) -> ScriptedError:
    """The error with this status; what is not said is what is usual for the status and code.

    A 429 has the headers of a rate limit that is used up. `Retry-After` is in whole seconds
    (RFC 9110, 10.2.3), and `retry-after-ms`, which the official SDKs prefer, beside it.
    """
    usual = _usual(status, code)
    rate_limited = status == 429 and usual.type != "insufficient_quota"
    if retry_after_seconds is None and rate_limited:
        retry_after_seconds = RATE_LIMIT_SECONDS
    headers = _retry_headers(retry_after_seconds)
    if rate_limited:
        used_up = Left(REQUESTS_PER_MINUTE, 0, retry_after_seconds or 0.0)
        headers |= rate_limit_headers("requests", used_up)
    return ScriptedError(
        usual.message.format(wait=spelled(retry_after_seconds or 0))
        if message is None
        else message,
        status=status,
        type=type or usual.type,
        code=code or usual.code,
        param=param,
        headers=headers,
    )


def _usual(status: int, code: str | None) -> _Usual:
    of_status = [one for one in _USUAL if one.status == status]
    of_status.append(_OTHER_4XX if status < 500 else _OTHER_5XX)
    return next((one for one in of_status if code is not None and one.code == code), of_status[0])


def _retry_headers(seconds: float | None) -> dict[str, str]:
    if seconds is None:
        return {}
    return {
        "Retry-After": str(math.ceil(seconds)),
        "retry-after-ms": str(round(seconds * 1000)),
    }
