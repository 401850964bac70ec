"""Bounds of single values, and the words in which OpenAI says that one is outside them.

Knows no field in particular. The words are those of errors that the API was seen to answer with.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from llm_proxy.errors import InvalidRequest

Objections = Iterator[InvalidRequest]

MAX_NAME_LENGTH = 64

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_ARTICLES = {"array": "an array", "string": "a string"}


def refused(message: str, param: str | None = None, code: str | None = None) -> InvalidRequest:
    """The error, its parts in the order in which they are read."""
    return InvalidRequest(message, param=param, code=code)


def within(param: str, value: object, low: int, high: int | None, kind: str) -> Objections:
    """A number is not below `low` nor above `high`; `kind` is `integer` or `decimal`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if value < low:
        yield refused(
            f"Invalid '{param}': {kind} below minimum value. "
            f"Expected a value >= {low}, but got {value} instead.",
            param,
            f"{kind}_below_min_value",
        )
    if high is not None and value > high:
        yield refused(
            f"Invalid '{param}': {kind} above maximum value. "
            f"Expected a value <= {high}, but got {value} instead.",
            param,
            f"{kind}_above_max_value",
        )


def no_longer(param: str, kind: Literal["array", "string"], length: int, limit: int) -> Objections:
    """An array or a string of `length` is not longer than `limit`."""
    if length > limit:
        one = _ARTICLES[kind]
        yield refused(
            f"Invalid '{param}': {kind} too long. Expected {one} with maximum length {limit}, "
            f"but got {one} with length {length} instead.",
            param,
            f"{kind}_above_max_length",
        )


def not_empty(param: str, kind: Literal["array", "string"], value: object) -> Objections:
    """An array or a string is not empty."""
    if value in ([], ""):
        one = _ARTICLES[kind]
        yield refused(
            f"Invalid '{param}': empty {kind}. Expected {one} with minimum length 1, "
            f"but got an empty {kind} instead.",
            param,
            f"empty_{kind}",
        )


def named(param: str, name: object) -> Objections:
    """A name is one that a function or a format can have."""
    if not isinstance(name, str):
        return
    yield from not_empty(param, "string", name)
    if name and not _NAME.fullmatch(name):
        yield refused(
            f"Invalid '{param}': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
            param,
            "invalid_value",
        )
    yield from no_longer(param, "string", len(name), MAX_NAME_LENGTH)


def mapping(value: object) -> Mapping[str, Any]:
    """The object that `value` is, or an empty one."""
    return value if isinstance(value, dict) else {}


def array(value: object) -> list[Any]:
    """The array that `value` is, or an empty one."""
    return value if isinstance(value, list) else []
