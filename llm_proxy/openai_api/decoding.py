"""Typed decoding of request bodies: one place where types are checked.

Turns what msgspec says of a document into OpenAI's error messages, with the path of the
field as OpenAI writes it (`messages[2].content`). Knows no endpoint.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import msgspec

from llm_proxy.errors import InvalidJSON, InvalidRequest
from llm_proxy.openai_api.strict.bounds import within

Body = TypeVar("Body", bound=msgspec.Struct)

_AT = re.compile(r"(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>.*)`)?", re.DOTALL)
_INDEX = re.compile(r"\[[^]]*\]")
_MISSING = re.compile(r"Object missing required field `(?P<field>.*)`")
_EXPECTED = re.compile(r"Expected `(?P<types>[^`]*)`(?:, got `(?P<got>[^`]*)`)?(?P<rest>.*)")
_BOUND = re.compile(r" (?P<side>>=|<=) (?P<limit>\d+)")
_UNNAMED = re.compile(r"\$\.(?P<field>\w+)\[\.\.\.\]`$")
_HALF_AT_END = re.compile(rb'\\u[dD][89abAB][0-9a-fA-F]{2}"')
_INVALID = re.compile(r"Invalid (?:enum )?value (?P<value>.*)")
_NAMES = {
    "NoneType": "null",
    "array": "an array",
    "bool": "a boolean",
    "float": "a decimal number",
    "int": "an integer",
    "list": "an array",
    "null": "null",
    "object": "an object",
    "str": "a string",
}


def decode_body(
    document: bytes, shape: type[Body], supported: Mapping[str, str]
) -> tuple[Body, dict[str, Any]]:
    """Decode a JSON object; return it typed, and as it was sent.

    `supported` names the values allowed for a field, by its path without indices
    (`messages.role`), for the error message.

    Raises:
        InvalidJSON: the document is not JSON in UTF-8 (RFC 8259, 8.1).
        InvalidRequest: a field is missing or has a wrong type or value; `param` names it.
    """
    try:
        parsed = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJSON(f"The body of the request {_unreadable(document, error)}.") from None
    if not isinstance(parsed, dict):
        kind = _NAMES[type(parsed).__name__]
        raise InvalidRequest(f"The body of the request must be a JSON object, but it is {kind}.")
    try:
        body = msgspec.convert(parsed, shape)
    except msgspec.ValidationError as error:
        refuse(_pointed(str(error), parsed, shape), supported, parsed)
    return body, parsed


def _unreadable(document: bytes, error: Exception) -> str:
    """What is wrong with a document that is not JSON; msgspec calls all that ends early cut off."""
    if not document.strip():
        return "is empty; it must be a JSON object"
    if "surrogate" in str(error) or _HALF_AT_END.search(document[-11:]):
        return (
            "is not valid JSON: half of a surrogate pair, such as \\ud83d without \\ude00, "
            "is no character"
        )
    return f"is not valid JSON: {error}"


def unknown_fields(document: Mapping[str, Any], shape: type[msgspec.Struct]) -> tuple[str, ...]:
    """The top-level fields of `document` that `shape` does not have, in their order."""
    known = shape.__struct_encode_fields__
    return tuple(name for name in document if name not in known)


def _pointed(problem: str, parsed: Mapping[str, Any], shape: type[msgspec.Struct]) -> str:
    """The problem with the name of the value in a mapping, which msgspec leaves out.

    Mappings whose values have a type are fields of their own at the top of the documents.
    """
    if (found := _UNNAMED.search(problem)) is None:
        return problem
    types = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
    field = found["field"]
    for name, value in parsed[field].items():
        try:
            msgspec.convert({name: value}, types[field])
        except msgspec.ValidationError:
            return f"{problem[: found.start()]}$.{field}.{name}`"
    return problem


def refuse(
    problem: str, supported: Mapping[str, str], document: Mapping[str, Any] | None = None
) -> NoReturn:
    """Say in OpenAI's words what msgspec found wrong, in a `document` if it is at hand."""
    at = _AT.fullmatch(problem)
    assert at is not None, problem
    what, path = at["what"], (at["path"] or "").removeprefix(".")
    if missing := _MISSING.fullmatch(what):
        param = f"{path}.{missing['field']}" if path else missing["field"]
        raise InvalidRequest(
            f"Missing required parameter: '{param}'.",
            param=param,
            code="missing_required_parameter",
        )
    if invalid := _INVALID.fullmatch(what):
        values = supported.get(_INDEX.sub("", path), "")
        allowed = f" Supported values are: {values}." if values else ""
        raise InvalidRequest(
            f"Invalid value: {invalid['value']}.{allowed}", param=path, code="invalid_value"
        )
    expected = _EXPECTED.fullmatch(what)
    if expected is None:
        raise InvalidRequest(f"Invalid value for '{path}': {what}.", param=path)
    if expected.group("types", "rest") == ("array", " of length >= 1"):
        raise InvalidRequest(
            f"Invalid '{path}': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
            param=path,
            code="empty_array",
        )
    if document is not None and (bound := _BOUND.fullmatch(expected["rest"])):
        limit = int(bound["limit"])
        low, high = (limit, None) if bound["side"] == ">=" else (0, limit)
        for objection in within(path, document.get(path), low, high, "integer"):
            raise objection
    if expected["rest"]:
        raise InvalidRequest(
            f"Invalid value for '{path}': expected {_named(expected['types'])}{expected['rest']}.",
            param=path,
            code="invalid_value",
        )
    but = f", but got {_named(expected['got'])} instead" if expected["got"] else ""
    raise InvalidRequest(
        f"Invalid type for '{path}': expected {_named(expected['types'])}{but}.",
        param=path,
        code="invalid_type",
    )


def _named(types: str) -> str:
    """`str | array` as `a string or an array`; null is always allowed and not worth a word."""
    names = [_NAMES.get(name, name) for name in types.split(" | ")]
    return " or ".join([name for name in names if name != "null"] or names)
