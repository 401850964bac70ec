"""Examples: data that satisfies a JSON Schema.

Sought is always one value for several schemas at once: what `$ref` points to, all of `allOf`
and one branch of `anyOf` or `oneOf` join the schema that they stand in. So schemas are never
merged: a number keeps to the bounds of each, a property satisfies what each says of it. Where
a branch leads nowhere, the next is tried.

Judges no schema: a keyword that is unknown or malformed asks for nothing. That nothing in
`not` and no second branch of `oneOf` holds is not checked; objects that have them are kept
small instead. Knows nothing of requests.
"""

import json
import math
import random
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from fractions import Fraction
from functools import reduce
from typing import Any
from urllib.parse import unquote

from llm_proxy.mock.patterns import Pattern, parsed
from llm_proxy.mock.plausible import filler, plausible_range, plausible_text

MAX_WORK = 500_000
"""Characters written, schemas looked at and the like: about a second."""
MAX_DEPTH = 48
LEAN_DEPTH = 6
"""From this depth on, objects and arrays are as small as they may be."""
TRIES = 100
FINE_STEPS = [Fraction(1, 10**digits) for digits in (2, 6, 20, 320)]
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

ANSWER = {"type": "object", "properties": {"answer": {}}, "required": ["answer"]}

Parts = Sequence[Mapping[str, Any]]
"""Schemas that must all hold, with nothing left for `$ref`, `allOf` or `anyOf` to add."""


class _Unsatisfiable(Exception):
    """No value was found here; another branch may have one."""


class _Exhausted(Exception):
    """The work is used up."""


def example_text(schema: Mapping[str, Any], number: int) -> str:
    """An example as JSON text: the same one for the same `schema` and `number`.

    An empty schema gets a small object. A schema that no value satisfies, or none that is
    small enough to be found here, gets an empty one.
    """
    try:
        example = _Example(dict(schema) or ANSWER, number)
        return _json(example.value([example.root], "", 0))
    except (_Unsatisfiable, _Exhausted, RecursionError, ArithmeticError, ValueError):
        return "{}"


class _Example:
    """A value in the making: the schema that references start from, chance, and work left."""

    def __init__(self, root: dict[str, Any], number: int) -> None:
        self.root = root
        self.chance = random.Random(number)
        self.work_left = MAX_WORK

    def spend(self, work: int) -> None:
        self.work_left -= work
        if self.work_left < 0:
            raise _Exhausted

    def text(self, value: Any) -> str:
        text = _json(value)
        self.spend(len(text))
        return text

    def is_lean(self, depth: int) -> bool:
        return depth >= LEAN_DEPTH or self.work_left < MAX_WORK // 2

    def value(self, schemas: Iterable[Any], name: str, depth: int) -> Any:
        """A value for which all of `schemas` hold; `name` is that of its property."""
        self.spend(20 + len(name))
        if depth > MAX_DEPTH:
            raise _Unsatisfiable
        for parts in self.alternatives([[schema] for schema in schemas], depth):
            for kind in self.preferred(_kinds(parts), depth):
                try:
                    return self.value_of_kind(kind, parts, name, depth)
                except _Unsatisfiable:
                    continue
        raise _Unsatisfiable

    def alternatives(
        self, choices: Sequence[Sequence[Any]], depth: int, taken: Parts = ()
    ) -> Iterator[Parts]:
        """The ways to take one schema of each of `choices`, with all that those entail."""
        if not choices:
            yield taken
            return
        for schema in choices[0]:
            self.spend(1 + len(taken) + len(choices))
            if schema is False:
                continue
            if not isinstance(schema, dict) or any(schema is one for one in taken):
                yield from self.alternatives(choices[1:], depth, taken)
            else:
                further = [*self.entailed(schema, depth), *choices[1:]]
                yield from self.alternatives(further, depth, (*taken, schema))

    def entailed(self, schema: Mapping[str, Any], depth: int) -> Iterator[Sequence[Any]]:
        """What has to hold where `schema` does: alternatives each, in the order to try them."""
        if "$ref" in schema:
            yield [self.referred(schema["$ref"])]
        for every in _each([schema], "allOf", list):
            yield from ([one] for one in every)
        for keyword in ("anyOf", "oneOf"):
            for branches in _each([schema], keyword, list):
                yield self.preferred(branches, depth)

    def preferred(self, options: Sequence[Any], depth: int) -> Sequence[Any]:
        """The order to try types or schemas in: by chance, at depth the smallest first."""
        mixed = self.chance.sample(options, len(options))
        if self.is_lean(depth):
            return sorted(mixed, key=_weight)
        null_comes_last = self.chance.random() < 0.75

        def rank(option: Any) -> int:
            if _weight(option) == 0:
                return 2 if null_comes_last else 0
            # Beside something more exact, any text is not meant: pydantic's Decimal is such.
            return 1 if option == {"type": "string"} else 0

        return sorted(mixed, key=rank)

    def referred(self, reference: Any) -> Any:
        """The schema that a JSON pointer leads to; one that is not here asks for nothing."""
        if not isinstance(reference, str) or not re.match("#(/|$)", reference):
            return True
        found: Any = self.root
        for step in unquote(reference).split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                return True
        return found

    def value_of_kind(self, kind: str, parts: Parts, name: str, depth: int) -> Any:
        if listed := _listed(parts):
            return self.one_listed(kind, listed)
        match kind:
            case "object":
                return self.object(parts, depth)
            case "array":
                return self.array(parts, name, depth)
            case "string":
                return self.string(parts, name)
            case "number" | "integer":
                return self.number(parts, name, is_whole=kind == "integer")
            case "boolean":
                return self.chance.random() < 0.5
            case _:
                return None

    def one_listed(self, kind: str, lists: Sequence[Sequence[Any]]) -> Any:
        """A value of this kind that is in each of `lists`."""
        self.spend(sum(map(len, lists)) // 10)
        left = [one for one in lists[0] if type(one) in KINDS[kind]]
        for values in lists[1:]:
            texts = set(map(self.text, values))
            left = [one for one in left if self.text(one) in texts]
        if not left:
            raise _Unsatisfiable
        chosen = self.chance.choice(left)
        self.text(chosen)
        return chosen

    def object(self, parts: Parts, depth: int) -> dict[str, Any]:
        properties = {name: None for named in _each(parts, "properties", dict) for name in named}
        required = {str(name): None for names in _each(parts, "required", list) for name in names}
        optional = [name for name in properties if name not in required]
        low, high = _bounds(parts, "minProperties", "maxProperties")
        # The fewer properties there are, the less can a second branch of `oneOf` hold.
        is_lean = self.is_lean(depth) or any("oneOf" in part or "not" in part for part in parts)
        more = 0 if is_lean else self.chance.randint((len(optional) + 1) // 2, len(optional))
        more = min(max(more, low - len(required)), high - len(required), len(optional))
        chosen = {*required, *self.chance.sample(optional, max(more, 0))}
        made: dict[str, Any] = {}
        for name in {**properties, **required}:
            try:
                if name in chosen:
                    made[name] = self.property(name, parts, depth)
            except _Unsatisfiable:
                if name in required:
                    raise
        is_map = not properties and not is_lean and any(map(_is_map, parts))
        self.add_properties(made, max(low, min(high, 2)) if is_map else low, parts, depth)
        if len(made) < low:
            raise _Unsatisfiable
        return made

    def property(self, name: str, parts: Parts, depth: int) -> Any:
        """A value that satisfies what each of `parts` says of the property."""
        schemas: list[Any] = []
        for part in parts:
            said = [named[name] for named in _each([part], "properties", dict) if name in named]
            for patterned in _each([part], "patternProperties", dict):
                for source, schema in patterned.items():
                    if all(pattern.is_found_in(name) for pattern in self.patterns([source])):
                        said.append(schema)
            schemas += said or [part.get("additionalProperties", True)]
        return self.value(schemas, name, depth + 1)

    def add_properties(self, made: dict[str, Any], count: int, parts: Parts, depth: int) -> None:
        """Add properties with names of our own, so that there are `count`, if such are allowed."""
        patterns = [one for named in _each(parts, "patternProperties", dict) for one in named]
        for _ in range(count + TRIES):
            if len(made) >= count:
                return
            rules = [{"type": "string"}, *(part.get("propertyNames", True) for part in parts)]
            if patterns:
                rules.append({"pattern": self.chance.choice(patterns)})
            try:
                name = self.value(rules, "key", depth + 1)
                if name not in made:
                    made[name] = self.property(name, parts, depth)
            except _Unsatisfiable:
                continue

    def array(self, parts: Parts, name: str, depth: int) -> list[Any]:
        low, high = _bounds(parts, "minItems", "maxItems")
        contained = _each(parts, "contains", dict)
        containing = max(_each(parts, "minContains", int), default=1) if contained else 0
        low = max(low, containing)
        places = max(map(len, _each(parts, "prefixItems", list)), default=0)
        usual = 0 if self.is_lean(depth) else places or self.chance.randint(1, 3)
        is_set = any(part.get("uniqueItems") is True for part in parts)
        made: list[Any] = []
        taken: set[str] = set()
        for place in range(max(low, min(high, usual))):
            schemas = [_said_of_item(place, part) for part in parts]
            schemas += contained if place < containing else []
            try:
                made.append(self.item(schemas, name, depth, taken))
            except _Unsatisfiable:
                if place < low:
                    raise
                break
            if is_set:
                taken.add(self.text(made[-1]))
        return made

    def item(self, schemas: Sequence[Any], name: str, depth: int, taken: Set[str]) -> Any:
        """A value that is not `taken`."""
        for _ in range(TRIES):
            item = self.value(schemas, name, depth + 1)
            if not taken or self.text(item) not in taken:
                return item
        raise _Unsatisfiable

    def string(self, parts: Parts, name: str) -> str:
        low, high = _bounds(parts, "minLength", "maxLength")
        self.spend(low)
        patterns = self.patterns(_each(parts, "pattern", str))
        for text in self.texts(_each(parts, "format", str) or [name], patterns, low, high):
            if low <= len(text) <= high and all(one.is_found_in(text) for one in patterns):
                self.spend(len(text))
                return text
        raise _Unsatisfiable

    def texts(
        self, names: Iterable[str], patterns: Iterable[Pattern], low: int, high: int
    ) -> Iterator[str]:
        """Texts that come into question, the most plausible first."""
        yield from (plausible_text(name, self.chance) for name in names)
        yield filler(max(low, min(high, 6)), self.chance)
        for pattern in patterns:
            for text in pattern.texts():
                rest = filler(max(low - len(text), self.chance.randint(1, 6)), self.chance)
                yield from (text + rest, rest + text, text)

    def patterns(self, sources: Sequence[str]) -> list[Pattern]:
        """The patterns among `sources`; a text that is none asks for nothing."""
        self.spend(10 * sum(map(len, sources)))
        known = map(parsed, sources)
        return [Pattern(steps, self.chance, self.spend) for steps in known if steps is not None]

    def number(self, parts: Parts, name: str, *, is_whole: bool) -> float:
        divisors = _each(parts, "multipleOf", *NUMBERS)
        exact = [*_exact(parts, "multipleOf"), *([Fraction(1)] if is_whole else [])]
        excluded = [*_exact(parts, "exclusiveMinimum"), *_exact(parts, "exclusiveMaximum")]
        for step in [reduce(_common_multiple, exact)] if exact else FINE_STEPS:
            for low, high in _ranges(parts, name, step):
                first, last = math.ceil(low / step), math.floor(high / step)
                for _ in range(TRIES if first <= last else 0):
                    found = self.chance.randint(first, last) * step
                    number = int(found) if found.denominator == 1 else float(found)
                    if found not in excluded and all(_divides(one, number) for one in divisors):
                        return number
        raise _Unsatisfiable


def _ranges(parts: Parts, name: str, step: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
    """Where to look for a number: what is usual and allowed, then what is allowed."""
    lows = [*_exact(parts, "minimum"), *_exact(parts, "exclusiveMinimum")]
    highs = [*_exact(parts, "maximum"), *_exact(parts, "exclusiveMaximum")]
    usual_low, usual_high = map(Fraction, plausible_range(name))
    yield max([usual_low, *lows]), min([usual_high, *highs])
    span = 100 * max(step, Fraction(1))
    low = max(lows) if lows else min(highs, default=span) - span
    yield low, min(highs, default=low + span)


def _exact(parts: Parts, keyword: str) -> list[Fraction]:
    return [Fraction(str(number)) for number in _each(parts, keyword, *NUMBERS)]


def _common_multiple(one: Fraction, other: Fraction) -> Fraction:
    return Fraction(
        math.lcm(one.numerator, other.numerator), math.gcd(one.denominator, other.denominator)
    )


def _divides(divisor: float, number: float) -> bool:
    """Whether a validator that knows only floats will say so, too: 0.07 / 0.01 is not 7."""
    return not isinstance(divisor, float) or (number / divisor).is_integer()


def _bounds(parts: Parts, least: str, most: str) -> tuple[int, int]:
    lows, highs = (map(int, _each(parts, keyword, *NUMBERS)) for keyword in (least, most))
    return max([0, *lows]), min([sys.maxsize, *highs])


def _each(parts: Parts, keyword: str, *types: type) -> list[Any]:
    """What the parts say under `keyword`, as far as it is of one of `types`."""
    return [part[keyword] for part in parts if type(part.get(keyword)) in types]


def _listed(parts: Parts) -> list[list[Any]]:
    """The lists of values that `enum` and `const` allow."""
    return _each(parts, "enum", list) + [[part["const"]] for part in parts if "const" in part]


def _said_of_item(place: int, part: Mapping[str, Any]) -> Any:
    for prefix in _each([part], "prefixItems", list):
        if place < len(prefix):
            return prefix[place]
    return part.get("items", True)


def _is_map(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("additionalProperties"), dict) or "patternProperties" in part


def _kinds(parts: Parts) -> list[str]:
    """The types that all parts allow."""
    stated = _each(parts, "type", list) + [[kind] for kind in _each(parts, "type", str)]
    if not stated and not _listed(parts):
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


def _weight(option: Any) -> int:
    """How large the values of a type or a schema are: 0 for null, 1 for a scalar, else 2."""
    if isinstance(option, dict):
        option = "string" if "enum" in option or "const" in option else option.get("type")
    return WEIGHTS.get(option, 2) if isinstance(option, str) else 2


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
