"""Dialects: what one event of the legacy API says, in each of its three generations.

Pure: the payload of a server-sent event in, a meaning out. Each event is told apart by
itself, as one deployment may mix them.
"""

import ast
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct


class Word(Struct, frozen=True, gc=False):
    """A piece of the answer's text."""

    text: str


class Citation(Struct, frozen=True, gc=False):
    """The id of a document that the answer rests on."""

    id: str


class End(Struct, frozen=True):
    """The answer is complete. Most deployments just end the body."""


class Other(Struct, frozen=True):
    """Something that is neither text nor citation."""


Meaning = Word | Citation | End | Other


def understand(payload: str) -> Meaning:
    """The meaning of one payload: JSON, a Python literal, or plain text.

    Only an object with a `type` is structure; everything else, a bare `42` or `None`
    included, is text as it stands.
    """
    if payload == "[DONE]":
        return End()
    event = _structure(payload) if payload[:1] == "{" else None
    if event is None:
        return Word(payload)
    data = event.get("data")
    try:
        match event["type"]:
            case "response" if data is not None:
                return Word(_text(data))
            case "citation" if data is not None:
                named = isinstance(data, dict) and data.get("id") is not None
                return Citation(_text(data["id"] if named else data))
    except (ValueError, RecursionError):  # a number too long to be written, lists too deep
        pass
    return Other()


def _text(data: object) -> str:
    """`data` as text that UTF-8 can carry: a literal may spell half a surrogate pair."""
    text = str(data)
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _structure(payload: str) -> Mapping[str, Any] | None:
    """The object in the payload if it is one of ours, else nothing.

    Python literals are read with `ast.literal_eval`, which evaluates no code; the limit on
    the size of an event bounds what it costs.
    """
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            value = ast.literal_eval(payload)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return value if isinstance(value, dict) and "type" in value else None
