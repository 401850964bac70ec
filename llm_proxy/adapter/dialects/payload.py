"""The object in a payload, whether it is written as JSON or as a Python literal."""

import ast
import re
from collections.abc import Mapping
from typing import Any

import msgspec

_PLAIN = r"([^'\\\n\r\0\ud800-\udfff]*)"
_USUAL = re.compile(rf"\{{'type': '{_PLAIN}', 'data': '{_PLAIN}'\}}")
"""The literal that nearly every event of the middle generation is, without anything in its texts
that a string of Python would spell in another way: these stand for themselves, and reading them
takes a twentieth of the time. No JSON looks like it."""


def object_in(payload: str) -> Mapping[str, Any] | None:
    """The object that the payload is, or nothing if it is something else.

    Python literals are read with `ast.literal_eval`, which evaluates no code; the limit on
    the size of an event bounds what it costs.
    """
    if payload.lstrip()[:1] != "{":
        return None
    if (usual := _USUAL.fullmatch(payload)) is not None:
        return {"type": usual[1], "data": usual[2]}
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            value = ast.literal_eval(payload)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
