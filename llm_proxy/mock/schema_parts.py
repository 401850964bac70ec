"""Parts: several schemas that must all hold, and what they say together.

Judges no schema: a keyword that is unknown or malformed asks for nothing.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

NUMBERS = (int, float)

KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
WEIGHTS = {"null": 0, "boolean": 1, "integer": 1, "number": 1, "string": 1}
HINTS = {
    "object": {"properties", "required", "additionalProperties", "patternProperties",
               "propertyNames", "minProperties"},
    "array": {"items", "prefixItems", "contains", "uniqueItems", "minItems"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}  # fmt: skip
"""Keywords that tell what a schema without a type is about; without any, it is a text."""

Parts = Sequence[Mapping[str, Any]]
"""Schemas that must all hold, with nothing left for `$ref`, `allOf` or `anyOf` to add."""


class Unsatisfiable(Exception):
    """No value was found here; another branch may have one."""


def each(parts: Parts, keyword: str, *types: type) -> list[Any]:
    """What the parts say under `keyword`, as far as it is of one of `types`."""
    return [part[keyword] for part in parts if type(part.get(keyword)) in types]


def listed(parts: Parts) -> list[list[Any]]:
    """The lists of values that `enum` and `const` allow."""
    return each(parts, "enum", list) + [[part["const"]] for part in parts if "const" in part]


def bounds(parts: Parts, least: str, most: str) -> tuple[int, int]:
    lows, highs = (map(int, each(parts, keyword, *NUMBERS)) for keyword in (least, most))
    return max([0, *lows]), min([sys.maxsize, *highs])


def said_of_item(place: int, part: Mapping[str, Any]) -> Any:
    for prefix in each([part], "prefixItems", list):
        if place < len(prefix):
            return prefix[place]
    return part.get("items", True)


def is_map(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("additionalProperties"), dict) or "patternProperties" in part


def kinds_of(parts: Parts) -> list[str]:
    """The types that all parts allow."""
    stated = each(parts, "type", list) + [[kind] for kind in each(parts, "type", str)]
    if not stated and not listed(parts):
        hinted = [
            kind for kind, keywords in HINTS.items() for part in parts if keywords & part.keys()
        ]
        return hinted[:1] or ["string"]
    kinds = [
        kind
        for kind in KINDS
        if all(kind in one or (kind == "integer" and "number" in one) for one in stated)
    ]
    return [kind for kind in kinds if kind != "integer" or "number" not in kinds]


def weight(option: Any) -> int:
    """How large the values of a type or a schema are: 0 for null, 1 for a scalar, else 2."""
    if isinstance(option, dict):
        option = "string" if "enum" in option or "const" in option else option.get("type")
    return WEIGHTS.get(option, 2) if isinstance(option, str) else 2
