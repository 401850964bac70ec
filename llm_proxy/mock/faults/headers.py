"""Faults by header: `X-Mock-Status`, `X-Mock-Retry-After`, `X-Mock-Fault` and `X-Mock-Delay-Ms`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llm_proxy.errors import InvalidRequest
from llm_proxy.mock.faults import NO_TROUBLE, Trouble
from llm_proxy.mock.faults.orders import KINDS, fault_order

STATUS, RETRY_AFTER = "X-Mock-Status", "X-Mock-Retry-After"
FAULT, DELAY = "X-Mock-Fault", "X-Mock-Delay-Ms"

_HEADER_OF = {
    "status": STATUS,
    "code": STATUS,
    "retryAfter": RETRY_AFTER,
    "kind": FAULT,
    "afterChunks": FAULT,
    "seconds": FAULT,
    "delayMs": DELAY,
}
_COUNT = re.compile(r"[0-9]{1,9}")
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def asked_for(headers: Mapping[str, str]) -> Trouble:
    """What the headers of a request ask for; their names are in lower case.

    `X-Mock-Status: 429; code=insufficient_quota` and `X-Mock-Fault: stall; after=3; seconds=1`
    show all parameters there are.

    Raises:
        InvalidRequest: a header is malformed, or does not go with the others; `param` names it.
    """
    order: dict[str, Any] = {}
    if (raw := headers.get(STATUS.lower())) is not None:
        status, parameters = _parsed(STATUS, raw, ("code",))
        order["status"] = int(_matched(STATUS, status, re.compile("[45][0-9][0-9]"), "400 to 599"))
        order |= parameters
    if (raw := headers.get(RETRY_AFTER.lower())) is not None:
        order["retryAfter"] = float(_matched(RETRY_AFTER, raw, _AMOUNT, "seconds, such as 2"))
    if (raw := headers.get(FAULT.lower())) is not None:
        kind, parameters = _parsed(FAULT, raw, ("after", "seconds"))
        if kind not in KINDS:
            raise _malformed(FAULT, kind, ", ".join(KINDS))
        order["kind"] = kind
        if (after := parameters.get("after")) is not None:
            order["afterChunks"] = int(_matched(FAULT, after, _COUNT, "after=3"))
        if (seconds := parameters.get("seconds")) is not None:
            order["seconds"] = float(_matched(FAULT, seconds, _AMOUNT, "seconds=1.5"))
    if (raw := headers.get(DELAY.lower())) is not None:
        order["delayMs"] = float(_matched(DELAY, raw, _AMOUNT, "milliseconds, such as 500"))
    if not order or order == {"delayMs": 0}:
        return NO_TROUBLE
    try:
        return fault_order(order).trouble()
    except InvalidRequest as error:
        header = _HEADER_OF[error.param or ""]
        message = f"{header}: {error.message}"
        raise InvalidRequest(message, param=header, code=error.code) from None


def _parsed(header: str, raw: str, allowed: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The value of a header in front of the first semicolon, and the parameters behind it."""
    value, *rest = (part.strip() for part in raw.split(";"))
    parameters: dict[str, str] = {}
    for part in rest:
        name, equals, given = (piece.strip() for piece in part.partition("="))
        if not equals or not given or name not in allowed or name in parameters:
            raise _malformed(header, part, " and ".join(f"{name}=" for name in allowed))
        parameters[name] = given
    return value, parameters


def _matched(header: str, raw: str, pattern: re.Pattern[str], allowed: str) -> str:
    if not pattern.fullmatch(raw.strip()):
        raise _malformed(header, raw, allowed)
    return raw.strip()


def _malformed(header: str, seen: str, allowed: str) -> InvalidRequest:
    return InvalidRequest(
        f"{header}: {seen[:100]!r} is not understood. Allowed: {allowed}.",
        param=header,
        code="invalid_value",
    )
