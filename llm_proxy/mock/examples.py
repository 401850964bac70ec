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
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any
from urllib.parse import unquote

from llm_proxy.mock.numbers import number_for
from llm_proxy.mock.patterns import Pattern, parsed
from llm_proxy.mock.plausible import filler, plausible_text
from llm_proxy.mock.schema_parts import (
    KINDS,
    Parts,
    Unsatisfiable,
    bounds,
    each,
    is_map,
    kinds_of,
    listed,
    said_of_item,
    weight,
)

MAX_WORK = 500_000
"""Characters written, schemas looked at and the like: about a second."""
MAX_DEPTH = 48
LEAN_DEPTH = 6
"""From this depth on, objects and arrays are as small as they may be."""
TRIES = 100

ANSWER = {"type": "object", "properties": {"answer": {}}, "required": ["answer"]}


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
    except (Unsatisfiable, _Exhausted, RecursionError, ArithmeticError, ValueError):
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
            raise Unsatisfiable
        for parts in self.alternatives([[schema] for schema in schemas], depth):
            for kind in self.preferred(kinds_of(parts), depth):
                try:
                    return self.value_of_kind(kind, parts, name, depth)
                except Unsatisfiable:
                    continue
        raise Unsatisfiable

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
        for every in each([schema], "allOf", list):
            yield from ([one] for one in every)
        for keyword in ("anyOf", "oneOf"):
            for branches in each([schema], keyword, list):
                yield self.preferred(branches, depth)

    def preferred(self, options: Sequence[Any], depth: int) -> Sequence[Any]:
        """The order to try types or schemas in: by chance, at depth the smallest first."""
        mixed = self.chance.sample(options, len(options))
        if self.is_lean(depth):
            return sorted(mixed, key=weight)
        null_comes_last = self.chance.random() < 0.75

        def rank(option: Any) -> int:
            if weight(option) == 0:
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
        if lists := listed(parts):
            return self.one_listed(kind, lists)
        match kind:
            case "object":
                return self.object(parts, depth)
            case "array":
                return self.array(parts, name, depth)
            case "string":
                return self.string(parts, name)
            case "number" | "integer":
                return number_for(parts, name, self.chance, is_whole=kind == "integer")
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
            raise Unsatisfiable
        chosen = self.chance.choice(left)
        self.text(chosen)
        return chosen

    def object(self, parts: Parts, depth: int) -> dict[str, Any]:
        properties = {name: None for named in each(parts, "properties", dict) for name in named}
        required = {str(name): None for names in each(parts, "required", list) for name in names}
        optional = [name for name in properties if name not in required]
        low, high = bounds(parts, "minProperties", "maxProperties")
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
            except Unsatisfiable:
                if name in required:
                    raise
        open_ended = not properties and not is_lean and any(map(is_map, parts))
        self.add_properties(made, max(low, min(high, 2)) if open_ended else low, parts, depth)
        if len(made) < low:
            raise Unsatisfiable
        return made

    def property(self, name: str, parts: Parts, depth: int) -> Any:
        """A value that satisfies what each of `parts` says of the property."""
        schemas: list[Any] = []
        for part in parts:
            said = [named[name] for named in each([part], "properties", dict) if name in named]
            for patterned in each([part], "patternProperties", dict):
                for source, schema in patterned.items():
                    if all(pattern.is_found_in(name) for pattern in self.patterns([source])):
                        said.append(schema)
            schemas += said or [part.get("additionalProperties", True)]
        return self.value(schemas, name, depth + 1)

    def add_properties(self, made: dict[str, Any], count: int, parts: Parts, depth: int) -> None:
        """Add properties with names of our own, so that there are `count`, if such are allowed."""
        patterns = [one for named in each(parts, "patternProperties", dict) for one in named]
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
            except Unsatisfiable:
                continue

    def array(self, parts: Parts, name: str, depth: int) -> list[Any]:
        low, high = bounds(parts, "minItems", "maxItems")
        contained = each(parts, "contains", dict)
        containing = max(each(parts, "minContains", int), default=1) if contained else 0
        low = max(low, containing)
        places = max(map(len, each(parts, "prefixItems", list)), default=0)
        usual = 0 if self.is_lean(depth) else places or self.chance.randint(1, 3)
        is_set = any(part.get("uniqueItems") is True for part in parts)
        made: list[Any] = []
        taken: set[str] = set()
        for place in range(max(low, min(high, usual))):
            schemas = [said_of_item(place, part) for part in parts]
            schemas += contained if place < containing else []
            try:
                made.append(self.item(schemas, name, depth, taken))
            except Unsatisfiable:
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
        raise Unsatisfiable

    def string(self, parts: Parts, name: str) -> str:
        low, high = bounds(parts, "minLength", "maxLength")
        self.spend(low)
        patterns = self.patterns(each(parts, "pattern", str))
        for text in self.texts(each(parts, "format", str) or [name], patterns, low, high):
            if low <= len(text) <= high and all(one.is_found_in(text) for one in patterns):
                self.spend(len(text))
                return text
        raise Unsatisfiable

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


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
