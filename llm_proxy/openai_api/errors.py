"""OpenAI's error shape: the one place where an error is written down, or read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from llm_proxy.errors import PassedOn, ProxyError

MEDIA_TYPE = "application/json"

UNNAMED = "The API gave no reason."


def error_body(error: ProxyError) -> bytes:
    """The JSON document `{"error": {"message", "type", "param", "code"}}`."""
    return msgspec.json.encode(
        {
            "error": {
                "message": error.message,
                "type": error.type,
                "param": error.param,
                "code": error.code,
            }
        }
    )


def passed_on(
    parsed: Any, status: int | None = None, headers: Mapping[str, str] = MappingProxyType({})
) -> PassedOn | None:
    """The error that a decoded JSON document tells of, or None.

    Compatible servers also write a text for the object, put the object into a list, or its
    fields at the top, and give the status as the `code`. A document that came with an HTTP
    status that is none of success has to be an error; without `status` an error that names
    none has 502.
    """
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]
    if not isinstance(parsed, Mapping):
        return None
    error = parsed.get("error")
    if error is None and (status is not None or parsed.get("object") == "error"):
        error = parsed if isinstance(parsed.get("message"), str) else None
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, Mapping):
        return None
    code = error.get("code")
    if status is None:
        status = code if isinstance(code, int) and 400 <= code <= 599 else 502
    return PassedOn(
        str(error.get("message") or UNNAMED),
        status=status,
        type=str(error.get("type") or "upstream_error"),
        param=_text(error.get("param")),
        code=_text(code),
        headers=headers,
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
