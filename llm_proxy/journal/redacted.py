"""A document without its secrets, which is still the JSON that it was."""

from collections.abc import Callable
from typing import Any

import msgspec


def redacted_document(document: bytes, redacted: Callable[[str], str]) -> str:
    """The JSON of `document`, its strings redacted; what is no JSON becomes one string.

    `redacted` takes secrets out of a text, by their value or by the name before them.
    """
    text = document.decode(errors="replace")
    clean = redacted(text)
    try:
        parsed = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(clean).decode()
    if clean == text:
        return text
    return msgspec.json.encode(_walked(parsed, "", redacted)).decode()


def _walked(value: Any, name: str, redacted: Callable[[str], str]) -> Any:
    match value:
        case dict():
            return {key: _walked(one, key, redacted) for key, one in value.items()}
        case list():
            return [_walked(one, name, redacted) for one in value]
        case str() | int() | float() if value is not True and value is not False:
            if redacted(f"{name}=x") != f"{name}=x":
                return "***"
            return redacted(value) if isinstance(value, str) else value
        case _:
            return value
