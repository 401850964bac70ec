"""The object in a payload, whether it is written as JSON or as a Python literal."""

import ast
from collections.abc import Mapping
from typing import Any

import msgspec


def object_in(payload: str) -> Mapping[str, Any] | None:
    """The object that the payload is, or nothing if it is something else.

    Python literals are read with `ast.literal_eval`, which evaluates no code; the limit on
    the size of an event bounds what it costs.
    """
    if payload.lstrip()[:1] != "{":
        return None
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            value = ast.literal_eval(payload)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
