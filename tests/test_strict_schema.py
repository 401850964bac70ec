"""Which JSON Schemas OpenAI takes for structured outputs, and in which words it refuses others."""

from typing import Any

import pytest

from llm_proxy.openai_api.strict.schema import format_problem, function_problem

NUMBER = {"type": "number"}


def closed(**properties: Any) -> dict[str, Any]:
    """An object as strict mode wants it."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def chained(length: int) -> dict[str, Any]:
    """Arrays in arrays; there are `length` of them."""
    schema: dict[str, Any] = NUMBER
    for _ in range(length):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        closed(),
        {"type": "object", "additionalProperties": False},
        closed(a={"type": ["string", "null"], "description": "an optional one"}),
        closed(a={"type": "string", "pattern": "^@", "minLength": 1, "maxLength": 9}),
        closed(a={"type": "string", "format": "date-time"}, b={"type": "string", "const": "x"}),
        closed(a={"type": "number", "minimum": 0, "exclusiveMaximum": 1, "multipleOf": 0.1}),
        closed(a={"type": "array", "items": NUMBER, "minItems": 1, "maxItems": 3}),
        closed(a={"type": "string", "enum": ["x", "y"], "default": "x", "title": "A"}),
        closed(a={"anyOf": [closed(b=NUMBER), {"type": "null"}]}),
        closed(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": closed(b={"$ref": "#/$defs/A"})}},
        closed(a={"$ref": "#/definitions/A"}) | {"definitions": {"A": NUMBER}},
        closed(a={"type": "array", "items": {"$ref": "#"}}) | {"$schema": "x"},
        closed(a=chained(9)),
        closed(**{str(index): NUMBER for index in range(5000)}),
        closed(a={"type": "string", "enum": [str(index) for index in range(1000)]}),
        closed(a={"type": "string", "enum": ["x" * 10_000, "y" * 10_000]}),
        # What is wrong by its type is left for others to say.
        closed(a=True),
        closed() | {"properties": [], "required": 5, "$defs": "x"},
    ],
)
def test_the_supported_subset_is_taken(schema: dict[str, Any]) -> None:
    assert format_problem(schema) is None
    assert function_problem(schema, strict=True) is None


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"type": "array"},
        "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'.",
    ),
    ({"anyOf": []}, "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'."),
    (
        closed() | {"anyOf": [NUMBER]},
        "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the "
        "top level.",
    ),
    (
        closed(a=closed() | {"additionalProperties": {"type": "string"}}),
        "In context=('properties', 'a'), 'additionalProperties' is required to be supplied and "
        "to be false.",
    ),
    (
        closed(a={"type": ["object", "null"]}),
        "In context=('properties', 'a'), 'additionalProperties' is required to be supplied and "
        "to be false.",
    ),
    (
        closed(a=NUMBER, b=NUMBER) | {"required": ["b"]},
        "In context=(), 'required' is required to be supplied and to be an array including every "
        "key in properties. Missing 'a'.",
    ),
    (
        closed() | {"required": ["a"]},
        "In context=(), 'required' is required to be supplied and to be an array including every "
        "key in properties. Extra required key 'a' supplied.",
    ),
    (
        closed(a={"type": "array", "items": {"allOf": [NUMBER]}}),
        "In context=('properties', 'a', 'items'), 'allOf' is not permitted.",
    ),
    (
        closed(a={"anyOf": [NUMBER, {"type": "array", "items": NUMBER, "uniqueItems": True}]}),
        "In context=('properties', 'a', 'anyOf', '1'), 'uniqueItems' is not permitted.",
    ),
    (closed() | {"minProperties": 1}, "In context=(), 'minProperties' is not permitted."),
    (closed(a={"not": NUMBER}), "In context=('properties', 'a'), Unsupported keywords ('not',)."),
    (closed(a={}), "In context=('properties', 'a'), schema must have a 'type' key."),
    (closed(a={"const": "x"}), "In context=('properties', 'a'), schema must have a 'type' key."),
    (closed(a={"type": "array"}), "In context=('properties', 'a'), array schema missing items."),
    (
        closed(a={"type": "string", "format": "uri"}),
        "In context=('properties', 'a'), 'uri' is not a valid format.",
    ),
    (
        closed(a={"$ref": "#/$defs/A", "description": "x"}) | {"$defs": {"A": NUMBER}},
        "context=('properties', 'a'), $ref cannot have keywords {'description'}.",
    ),
    (
        closed(a={"$ref": "#/properties/b"}, b=NUMBER),
        "In context=('properties', 'a'), reference can only point to definitions defined at the "
        "top level of the schema.",
    ),
    (
        closed(a={"$ref": "#/$defs/A"}) | {"$defs": {"A": closed(b={"oneOf": []})}},
        "In context=('$defs', 'A', 'properties', 'b'), 'oneOf' is not permitted.",
    ),
    (closed(a=chained(10)), "11 levels of nesting exceeds limit of 10."),
    (
        closed(**{str(index): NUMBER for index in range(5001)}),
        "5001 parameters exceeds limit of 5000.",
    ),
    (
        closed(a={"type": "integer", "enum": [*range(1001)]}),
        "Expected at most 1000 enum values in total within a single schema when using structured "
        "outputs, but received 1001. Consider reducing the number of enums, or use "
        "'strict: false' to opt out of structured outputs.",
    ),
    (
        closed(a={"type": "string", "enum": ["x" * 100] * 251}),
        "Expected at most 15000 total characters across enum values when there are more than 250 "
        "enum values, but received 25100. Consider reducing the number of enums, or use "
        "'strict: false' to opt out of structured outputs.",
    ),
]


@pytest.mark.parametrize(("schema", "problem"), REFUSED)
def test_what_is_outside_of_it_is_refused(schema: dict[str, Any], problem: str) -> None:
    assert format_problem(schema) == problem


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({}, None),
        ({"type": "object"}, None),
        ({"type": "object", "properties": {"a": {"oneOf": [NUMBER]}, "b": {}}}, None),
        (
            {"properties": {}},
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.",
        ),
        (
            {"type": "object", "oneOf": []},
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at "
            "the top level.",
        ),
        (
            {"type": "object", "properties": {"a": {"oneOf": [{"type": "array"}]}}},
            "In context=('properties', 'a', 'oneOf', '0'), array schema missing items.",
        ),
    ],
)
def test_functions_that_are_not_strict_have_rules_too(
    parameters: dict[str, Any], problem: str | None
) -> None:
    assert function_problem(parameters, strict=False) == problem


def test_no_schema_is_too_deep_to_be_looked_at() -> None:
    schema = closed(a=chained(50_000))
    assert format_problem(schema) == "50001 levels of nesting exceeds limit of 10."
