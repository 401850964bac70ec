"""A document without its secrets, which is still the JSON that it was."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from llm_proxy.records.cut import MAX_SECRET, beginning


class Redacted(Protocol):
    """Takes secrets out of a text, by their value or by the name before them."""

    def __call__(self, text: str, /) -> str:
        """The text without them."""

    def clears(self, text: str, /, *, again: bool = False) -> bool:
        """Whether there are none in the text, nor in any part of it; if in doubt, it is not.

        One that was decoded from a JSON text that is clear is clear, too, unless characters are
        escaped there that need not be. `again` says that the same text will be asked of again.
        """


class AsSent:
    """A `Redacted` that leaves everything in."""

    def __call__(self, text: str) -> str:
        return text

    def clears(self, _: str, *, again: bool = False) -> bool:  # noqa: ARG002
        return True


class Noticing:
    """Takes out of texts what `redacted` does, and tells whether there was anything: `found`."""

    def __init__(self, redacted: Callable[[str], str]) -> None:
        self._redacted = redacted
        self.found = False

    def __call__(self, text: str) -> str:
        clean = self._redacted(text)
        self.found = self.found or clean != text
        return clean


def redacted_beginning(text: str, most: int, redacted: Callable[[str], str]) -> str:
    """At most so many characters of a text that was cut `MAX_SECRET` behind that, if at all."""
    return beginning(redacted(text), len(text), most)


def shortened(text: str, most: int, redacted: Callable[[str], str]) -> str:
    """At most so many characters of a text; one that is longer loses its secrets before."""
    if len(text) <= most:
        return text
    return redacted_beginning(text[: most + MAX_SECRET], most, redacted)


def redacted_document(document: bytes, redacted: Callable[[str], str]) -> str:
    """The JSON of `document`, its strings redacted; what is no JSON becomes one string."""
    text = document.decode(errors="replace")
    try:
        parsed = msgspec.json.decode(document)
        clean = _walked(parsed, "", redacted)
        # The text itself has more: what is decoded is only the last of members of one name.
        if clean != parsed or any(redacted(form) != form for form in {text, unmasked(text)}):
            # What is right for a text can break JSON: {"token": 5} becomes {"token": ***}.
            text = msgspec.json.encode(clean).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.encode(redacted(text)).decode()
    return text


def unmasked(text: str) -> str:
    """The JSON text with nothing escaped in it that need not be: else nobody would find it."""
    if "\\u" in text or "\\/" in text:
        return msgspec.json.encode(msgspec.json.decode(text)).decode()
    return text


def _walked(value: Any, name: str, redacted: Callable[[str], str]) -> Any:
    """The value, which stands behind `name`."""
    # Of the tokens of a text there are lists, which hold no secret.
    within = "" if name.casefold().endswith("tokens") else name
    match value:
        case dict():
            return {
                redacted(key): _walked(one, (key == "value" and within) or key, redacted)
                for key, one in value.items()
            }
        case list():
            return [_walked(one, within, redacted) for one in value]
        case bool() | None:
            return value
        case str():
            number = value.replace(".", "").isdigit()  # nor does how many there are
            said = f'"{value if number else "x"}"'
            return "***" if _is_said(said, name, redacted) else redacted(value)
        case _:
            return "***" if _is_said("x", name, redacted) else value


def _is_said(value: str, name: str, redacted: Callable[[str], str]) -> bool:
    """Whether that is the name of a secret, when it is followed by such a value."""
    said = f"{name}={value}"
    return bool(name) and redacted(said) != said
