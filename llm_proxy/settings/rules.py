"""Rules for the values of settings: each turns text into a value or says what is allowed.

A rule raises `ValueError` with a message that reads on after the name of the variable:
`LLM_PROXY_V1: 'adaptor' is not one of mock, adapter`. Knows no variable by name.
"""

import math
import os
import re
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

N = TypeVar("N", int, float)
S = TypeVar("S", bound=msgspec.Struct)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, 5.5: field-value

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,]+")
_SESSION_SOURCE = re.compile(
    r"user|safety_identifier|api_key|metadata\.[\w-]+|header:" + _HEADER_NAME.pattern
)


def text(raw: str) -> str:
    """Any text."""
    return raw


def words(raw: str) -> tuple[str, ...]:
    """Comma-separated words; empty ones are left out."""
    return tuple(word for word in map(str.strip, raw.split(",")) if word)


def keys(raw: str) -> tuple[str, ...]:
    """Comma-separated keys that a Bearer header can carry; they are secrets and not repeated."""
    parsed = words(raw)
    if not all(key.isascii() and key.isprintable() and " " not in key for key in parsed):
        raise ValueError("a key may hold visible ASCII characters only, and no space")
    return parsed


def keys_file(raw: str) -> str:
    """The path of a file of keys; it is read to see whether it can be."""
    keys_in(raw)
    return raw


def keys_in(path: str) -> tuple[str, ...]:
    """The keys in a file, one on each line; `#` begins a comment."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"{path!r} cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise ValueError(f"{path!r} is not written in UTF-8") from None
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        try:
            found += keys(line.partition("#")[0])
        except ValueError as error:
            raise ValueError(f"line {number} of {path!r}: {error}") from None
    return tuple(found)


def one_of(*allowed: str) -> Callable[[str], str]:
    """One of a few words."""

    def rule(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"{raw!r} is not one of {', '.join(allowed)}")
        return raw

    return rule


def boolean(raw: str) -> bool:
    """Yes or no, in one of the usual spellings."""
    spellings = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if raw.lower() not in spellings:
        raise ValueError(f"{raw!r} is not one of {', '.join(spellings)}")
    return spellings[raw.lower()]


def integer(low: int | None = None, high: int | None = None) -> Callable[[str], int]:
    """A whole number within bounds."""

    def rule(raw: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", raw):
            raise ValueError(f"{raw!r} is not a whole number")
        return _within(int(raw), raw, low, high)

    return rule


def number(low: float, high: float = math.inf) -> Callable[[str], float]:
    """A finite number within bounds."""

    def rule(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ValueError(f"{raw!r} is not a number")
        return _within(value, raw, low, high)

    return rule


def _within(value: N, raw: str, low: N | None, high: N | None) -> N:
    if low is not None and value < low:
        raise ValueError(f"{raw} is less than {low}")
    if high is not None and value > high:
        raise ValueError(f"{raw} is more than {high}")
    return value


def tokenizer(raw: str) -> str:
    """The name of a tokenizer that can be had here."""
    name = one_of("chars", "o200k", "cl100k")(raw)
    if name != "chars" and find_spec("toktok") is None:
        raise ValueError(f"{raw} needs the package toktok-rs; install it beside this one")
    return name


def journal(raw: str) -> str:
    """`off`, or the path of a file that can be written to; SQLite's, if it is there."""
    if raw == "off":
        return raw
    path = Path(raw)
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f"{raw!r} is no file")
        if not path.parent.is_dir():
            raise ValueError(f"there is no folder {str(path.parent)!r}")
        if not os.access(path.parent, os.W_OK | os.X_OK):  # SQLite keeps two files beside it
            raise ValueError(f"the folder {str(path.parent)!r} is not writable")
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise ValueError(f"{raw!r} is not writable")
        if path.exists() and _begins_unlike(path, b"SQLite format 3\0"):
            raise ValueError(f"{raw!r} is there, and is not an SQLite file")
    except OSError as error:
        raise ValueError(f"{raw!r} cannot be used: {error.strerror}") from None
    return raw


def _begins_unlike(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        head = file.read(len(magic))
    return head not in (b"", magic)


def http_url(raw: str) -> str:
    """An absolute http or https URL."""
    try:
        parts = urlsplit(raw)
        complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise ValueError(f"{_shown(raw)} is not a URL like http://host:8000/path")
    return raw


def url_template(placeholder: str) -> Callable[[str], str]:
    """An absolute http or https URL that holds `placeholder`."""

    def rule(raw: str) -> str:
        if placeholder not in raw:
            raise ValueError(f"{_shown(raw)} does not hold {placeholder}")
        return http_url(raw)

    return rule


def header_value(raw: str) -> str:
    """A value that can be sent in an HTTP header; it is a secret and not repeated."""
    if not _HEADER_VALUE.fullmatch(raw):
        raise ValueError("the value holds characters that an HTTP header cannot carry")
    return raw


def headers(raw: str) -> tuple[tuple[str, str], ...]:
    """A JSON object of header names and values; it is a secret and not repeated."""
    try:
        parsed = msgspec.json.decode(raw, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeError):
        raise ValueError('the value is not a JSON object like {"X-Name": "value"}') from None
    for name, value in parsed.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} cannot be sent over HTTP")
    return tuple(parsed.items())


def json_object(shape: type[S], example: str) -> Callable[[str], S]:
    """A JSON object of this shape, such as `example`."""

    def rule(raw: str) -> S:
        try:
            return msgspec.json.decode(raw, type=shape)
        except msgspec.ValidationError as error:
            raise ValueError(f"{raw!r} does not fit: {error}") from None
        except (msgspec.DecodeError, UnicodeError):
            raise ValueError(f"{raw!r} is not a JSON object like {example}") from None

    return rule


def origins(raw: str) -> tuple[str, ...]:
    """Comma-separated origins as browsers send them (RFC 6454, 6.1), or a single `*`."""
    parsed = words(raw.lower())
    for origin in parsed:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{_shown(origin)} is not an origin like https://app.example:8443")
    if "*" in parsed and len(parsed) > 1:
        raise ValueError("* allows every origin; name no other beside it")
    return parsed


def session_sources(raw: str) -> tuple[str, ...]:
    """Comma-separated places of a request that tell whose it is."""
    parsed = words(raw)
    for place in parsed:
        if not _SESSION_SOURCE.fullmatch(place):
            raise ValueError(
                f"{place!r} is not one of user, safety_identifier, api_key, metadata.NAME, "
                "header:NAME"
            )
    return parsed


def secret(min_characters: int) -> Callable[[str], str]:
    """A secret that is long enough not to be guessed; it is not repeated."""

    def rule(raw: str) -> str:
        if len(raw) < min_characters:
            raise ValueError(f"the value is shorter than {min_characters} characters")
        return raw

    return rule


def login_body(raw: str) -> str:
    """A JSON object, or a form as in `user=ann&password=x`; it is a secret and not repeated."""
    if not login_values(raw):
        raise ValueError("the value is neither a JSON object nor a form like user=ann&password=x")
    return raw


def login_values(body: str) -> tuple[str, ...]:
    """The values in the body of a login, at the first level."""
    try:
        values = msgspec.json.decode(body, type=dict[str, Any]).values()
    except (msgspec.DecodeError, UnicodeError):
        return tuple(value for _, value in parse_qsl(body))
    return tuple(value if isinstance(value, str) else str(value) for value in values)


def ca_file(raw: str) -> str:
    """A file of certificates that can be read."""
    try:
        ssl.create_default_context(cafile=raw)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise ValueError(f"{raw!r} is not a file of certificates in PEM form") from None
    return raw


def _shown(raw: str) -> str:
    """The value as an error may show it: without the credentials that a URL can hold."""
    return repr(re.sub(r"//[^/@]*@", "//***@", raw))
