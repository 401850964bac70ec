"""The JSON Schemas that OpenAI refuses: of tools, and of the answer's format.

Owns the keywords that structured outputs take, and the words for what they do not take.
Source: OpenAI's guide "Structured outputs", "Supported schemas". Knows no request.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from llm_proxy.openai_api.strict.bounds import array, mapping
from llm_proxy.openai_api.strict.size import Size, has_type

FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")

REFUSED_KEYWORDS = frozenset(
    (
        "allOf",
        "oneOf",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "unevaluatedProperties",
        "unevaluatedItems",
        "contains",
        "minContains",
        "maxContains",
        "uniqueItems",
    )
)

_NOT_AT_THE_ROOT = ("oneOf", "anyOf", "allOf", "enum", "not")
_DEFINITIONS = ("$defs", "definitions")
_ALTERNATIVES = ("anyOf", "oneOf", "allOf")

Schema = Mapping[str, Any]


class _Node(NamedTuple):
    """A schema within a schema: by which steps, and how many values its value is inside of."""

    schema: Schema
    outer: "_Node | None" = None
    steps: tuple[str, ...] = ()
    depth: int = 0

    def says(self, problem: str) -> str:
        """`problem`, with the place in front of it."""
        node, path = self, self.steps
        while node.outer is not None:
            node = node.outer
            path = node.steps + path
        # OpenAI says it without the "In" where a reference has company.
        said = "context" if problem.startswith("$ref") else "In context"
        return f"{said}={path!r}, {problem}"


def function_problem(parameters: Schema, strict: bool) -> str | None:
    """The first thing wrong with the parameters of a function, in OpenAI's words.

    The rules for the root, and that arrays have items, hold for functions that are not strict
    too. A function without parameters is as good as one with an empty list of them.
    """
    if not parameters:
        return None
    root = _wrong_root(parameters, _NOT_AT_THE_ROOT)
    if root or strict:
        return root or format_problem(parameters)
    lacking = (node for node in _nodes(parameters) if _lacks_items(node.schema))
    return next((node.says(_ITEMS_MISSING) for node in lacking), None)


def format_problem(schema: Schema) -> str | None:
    """The first thing wrong with the schema of a strict answer, in OpenAI's words."""
    root = _wrong_root(schema, ("anyOf", "enum"))
    return root or next(_problems(schema), None)


def _wrong_root(schema: Schema, refused: tuple[str, ...]) -> str | None:
    kind = schema.get("type")
    if kind != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    if any(keyword in schema for keyword in refused):
        listed = "/".join(map(repr, _NOT_AT_THE_ROOT))
        return f"schema must have type 'object' and not have {listed} at the top level."
    return None


def _problems(schema: Schema) -> Iterator[str]:
    """What strict mode finds: node by node from the outside in, then in the schema as a whole."""
    size = Size()
    for node in _nodes(schema):
        size.add(node.schema, node.depth)
        for problem in _node_problems(node.schema, schema):
            yield node.says(problem)
    yield from size.problems()


def _node_problems(node: Schema, root: Schema) -> Iterator[str]:
    if "$ref" in node:
        yield from _reference_problems(node, root)
        return
    if not REFUSED_KEYWORDS.isdisjoint(node):
        keyword = next(keyword for keyword in node if keyword in REFUSED_KEYWORDS)
        yield f"'{keyword}' is not permitted."
    if "not" in node:
        yield "Unsupported keywords ('not',)."
    if "type" not in node and "anyOf" not in node:
        yield "schema must have a 'type' key."
    if has_type(node, "object"):
        yield from _object_problems(node)
    if _lacks_items(node):
        yield _ITEMS_MISSING
    if "format" in node and node["format"] not in FORMATS:
        yield f"'{node['format']}' is not a valid format."


def _reference_problems(node: Schema, root: Schema) -> Iterator[str]:
    beside = sorted(map(repr, node.keys() - {"$ref", *_DEFINITIONS}))
    if beside:
        yield f"$ref cannot have keywords {{{', '.join(beside)}}}."
    _, _, place = str(node["$ref"]).partition("#/")
    keyword, _, name = place.partition("/")
    if node["$ref"] != "#" and not (keyword in _DEFINITIONS and name in mapping(root.get(keyword))):
        yield "reference can only point to definitions defined at the top level of the schema."


def _object_problems(node: Schema) -> Iterator[str]:
    if node.get("additionalProperties") is not False:
        yield "'additionalProperties' is required to be supplied and to be false."
    properties = mapping(node.get("properties"))
    required = {name: None for name in array(node.get("required")) if isinstance(name, str)}
    wrong = [f"Missing '{name}'." for name in properties if name not in required]
    wrong += [
        f"Extra required key '{name}' supplied." for name in required if name not in properties
    ]
    if wrong:
        yield (
            "'required' is required to be supplied and to be an array including every key in "
            f"properties. {wrong[0]}"
        )


def _nodes(schema: Schema) -> Iterator[_Node]:
    """`schema` and all schemas in it, outer ones first. Needs no stack, however deep they are."""
    waiting = [_Node(schema)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed([*_children(node)])


def _children(node: _Node) -> Iterator[_Node]:
    schema, depth = node.schema, node.depth
    for keyword in ("properties", *_DEFINITIONS):
        inside = depth + 1 if keyword == "properties" else 0
        for name, child in mapping(schema.get(keyword)).items():
            if isinstance(child, dict):
                yield _Node(child, node, (keyword, name), inside)
    if isinstance(schema.get("items"), dict):
        yield _Node(schema["items"], node, ("items",), depth + 1)
    for keyword in _ALTERNATIVES:
        for index, child in enumerate(array(schema.get(keyword))):
            if isinstance(child, dict):
                yield _Node(child, node, (keyword, str(index)), depth)


_ITEMS_MISSING = "array schema missing items."


def _lacks_items(node: Schema) -> bool:
    return has_type(node, "array") and "items" not in node
