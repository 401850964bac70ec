"""Examples satisfy the schema, for every schema, and are the same each time."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openai import pydantic_function_tool
from openai.lib._pydantic import to_strict_json_schema
from pydantic import AnyUrl, BaseModel, Field, IPvAnyAddress

from llm_proxy.mock.examples import MAX_WORK, example_text

Schema = dict[str, Any]
Schemas = st.SearchStrategy[Schema]

SEVERAL = range(20)
FORMATS = (
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
    "uri",
)
ZOD_EMAIL = (
    r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]"
    r"@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
)


def assert_satisfied(schema: Schema, text: str) -> None:
    checker = Draft202012Validator.FORMAT_CHECKER
    errors = Draft202012Validator(schema, format_checker=checker).iter_errors(json.loads(text))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def closed(**properties: Schema) -> Schema:
    """An object as strict mode wants it."""
    required = list(properties)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


NODE = closed(
    value={"type": "string"}, children={"type": "array", "items": {"$ref": "#/$defs/node"}}
)
CHAIN = closed(next={"anyOf": [{"$ref": "#/$defs/chain"}, {"type": "null"}]})

INTEGER: Schema = {"type": "integer"}

KEYWORDS: dict[str, Schema] = {
    "type": {"type": "integer"},
    "type list": {"type": ["string", "null"]},
    "enum": {"enum": ["a", 1, 2.5, None, True, [], {"b": "ä"}]},
    "enum of a type": {"type": ["string", "null"], "enum": ["a", "b", None, 1]},
    "enum and const": {"allOf": [{"enum": [1, 2, 3]}, {"enum": [2, 3]}, {"const": 3}]},
    "const": {"const": {"deep": [1, {"er": None}]}},
    "minimum, maximum": {"type": "integer", "minimum": 5, "maximum": 6},
    "exclusive bounds": {"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7},
    "narrow bounds": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.00001},
    "far bounds": {"type": "integer", "minimum": -(2**53), "exclusiveMaximum": -(2**52)},
    "multipleOf": {"type": "integer", "multipleOf": 7, "minimum": 1000},
    "multipleOf a fraction": {"type": "number", "multipleOf": 0.01, "maximum": 0},
    "multipleOf several": {"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 2.5}]},
    "minLength": {"type": "string", "minLength": 100},
    "maxLength": {"type": "string", "maxLength": 2},
    "no length": {"type": "string", "maxLength": 0},
    "pattern": {"type": "string", "pattern": r"^[A-Z]{2}-\d{3}(x|yy)?$"},
    "pattern found anywhere": {"type": "string", "pattern": "[#]", "minLength": 9},
    "pattern of a length": {"pattern": "^[a-z]+$", "minLength": 33, "maxLength": 33},
    "pattern that excludes": {"type": "string", "pattern": r"^[^\w\s]+\W$"},
    "pattern with groups": {"type": "string", "pattern": r"^(?P<year>\d{4})(?:-(\d\d)){2}$"},
    "pattern that looks around": {"pattern": r"^(?=.*\d)(?!0)\w{4,}(?<=[a-z])\b$"},
    "pattern of other letters": {"type": "string", "pattern": r"^[\u0430-\u044f]{3}\u00df$"},
    "pattern twice": {"allOf": [{"pattern": "^a.*"}, {"pattern": ".*z$"}]},
    "pattern and format": {"type": "string", "format": "email", "pattern": ZOD_EMAIL},
    "required but unknown": {"type": "object", "required": ["city"]},
    "optional and impossible": {"type": "object", "properties": {"a": False, "b": True}},
    "minProperties": {"type": "object", "properties": {"a": {}}, "minProperties": 40},
    "maxProperties": {"type": "object", "properties": {"a": {}, "b": {}}, "maxProperties": 1},
    "additionalProperties": {"additionalProperties": {"type": "integer"}, "minProperties": 3},
    "patternProperties": {
        "type": "object",
        "properties": {"x-id": {"minimum": 5}},
        "patternProperties": {"^x-": {"type": "integer", "maximum": 6}},
        "additionalProperties": False,
        "required": ["x-id"],
        "minProperties": 3,
    },
    "propertyNames": {"propertyNames": {"pattern": "^[A-Z]{3}$"}, "minProperties": 2},
    "propertyNames of a list": {"propertyNames": {"enum": ["a", "b"]}, "minProperties": 2},
    "minItems": {"type": "array", "items": {"type": "boolean"}, "minItems": 9},
    "maxItems": {"type": "array", "items": {"type": "boolean"}, "maxItems": 1},
    "prefixItems": {"prefixItems": [{"const": 1}, {"const": "a"}], "items": False, "minItems": 2},
    "uniqueItems": {"items": {"enum": [1, 2, 3, 4]}, "uniqueItems": True, "minItems": 4},
    "uniqueItems as far as they go": {"type": "array", "items": {"const": 1}, "uniqueItems": True},
    "contains": {"type": "array", "contains": {"const": 5}, "minContains": 2},
    "anyOf": {"type": "object", "anyOf": [False, closed(a={"type": "string"}), {"type": "string"}]},
    "anyOf twice": {"allOf": [{"anyOf": [{"type": "null"}, INTEGER]}, {"anyOf": [INTEGER]}]},
    "oneOf": {"oneOf": [closed(kind={"const": "a"}), closed(kind={"const": "b"}), INTEGER]},
    "oneOf that requires": {
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
    },
    "allOf": {"allOf": [closed(a={"minimum": 3}), {"properties": {"a": INTEGER | {"maximum": 3}}}]},
    "$ref": {"$defs": {"a/b %": INTEGER}, **closed(n={"$ref": "#/$defs/a~1b%20%25"})},
    "$ref and more": {"$defs": {"n": INTEGER}, **closed(n={"$ref": "#/$defs/n", "minimum": 500})},
    "$ref into a list": {"anyOf": [INTEGER, {"type": "array", "items": {"$ref": "#/anyOf/0"}}]},
    "$ref to itself": closed(children={"type": "array", "items": {"$ref": "#"}}),
    "$ref in a ring": {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
    "$ref in a chain": {"$ref": "#/$defs/chain", "$defs": {"chain": CHAIN}},
    "no type": {"properties": {"a": {"items": {"minimum": 3}}}, "required": ["a"]},
    "everything": {"type": "object", "properties": {"a": True, "b": {}}},
    **{f"format {form}": {"type": "string", "format": form} for form in FORMATS},
}  # fmt: skip


def test_the_validator_looks_at_all_formats() -> None:
    assert set(FORMATS) <= set(Draft202012Validator.FORMAT_CHECKER.checkers)


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_an_example_satisfies_each_keyword(keyword: str) -> None:
    for number in SEVERAL:
        assert_satisfied(KEYWORDS[keyword], example_text(KEYWORDS[keyword], number))


def test_an_empty_schema_gets_a_small_object() -> None:
    assert json.loads(example_text({}, 0)).keys() == {"answer"}


def test_an_object_without_properties_stays_empty() -> None:
    assert example_text({"type": "object", "properties": {}}, 0) == "{}"


def test_the_text_is_compact_and_readable() -> None:
    assert example_text({"const": {"größe": [1, "日本"]}}, 0) == '{"größe":[1,"日本"]}'


def test_properties_come_in_the_order_of_the_schema() -> None:
    schema = closed(zulu={}, alpha={}, mike={})
    assert list(json.loads(example_text(schema, 0))) == ["zulu", "alpha", "mike"]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("workEmail", r"^[a-z]+\d\d@example\.com$"),
        ("start_date", r"^202\d-\d\d-\d\d$"),
        ("created_at", r"^202\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
        ("home-city", "^(Berlin|Lagos|Lima|Osaka|Toronto)$"),
        ("names", r"^[A-Z]\w+ [A-Z]\w+$"),
        ("unheard_of", "^[a-z]+ [a-z]+$"),
    ],
)
def test_a_text_suits_the_name_of_its_property(name: str, pattern: str) -> None:
    for number in SEVERAL:
        text = example_text(closed(**{name: {"type": "string"}}), number)
        assert_satisfied(closed(**{name: {"type": "string", "pattern": pattern}}), text)


def test_a_number_suits_the_name_of_its_property_unless_out_of_bounds() -> None:
    usual = closed(age={"type": "integer"}, month={"type": "integer", "minimum": 100})
    stricter = closed(age={"minimum": 18, "maximum": 80}, month={"minimum": 100, "maximum": 200})
    for number in SEVERAL:
        assert_satisfied(stricter, example_text(usual, number))


def test_different_numbers_give_different_examples() -> None:
    schema = closed(name={"type": "string"}, tags={"type": "array", "items": {"type": "string"}})
    assert len({example_text(schema, number) for number in SEVERAL}) > 15


def test_what_may_be_null_mostly_is_not() -> None:
    schema = {"anyOf": [{"type": "null"}, {"type": "integer"}]}
    nulls = [example_text(schema, number) for number in range(100)].count("null")
    assert 0 < nulls < 50


MIXED: Schema = {
    **closed(
        person={"$ref": "#/$defs/person"},
        code={"type": "string", "pattern": r"^[^a-z]{3,}(\s|\W)[\w.-]+$"},
        one={"enum": ["a", "b", {"c": 1}]},
        ids={"type": "array", "uniqueItems": True, "items": {"type": "string", "format": "uuid"}},
        price={"type": "number"},
    ),
    "$defs": {
        "person": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {}, "email": {"format": "email"}},
            "additionalProperties": {"type": "integer"},
            "minProperties": 5,
        }
    },
}


def test_an_example_is_the_same_in_every_process() -> None:
    program = (
        "import json, sys; from llm_proxy.mock.examples import example_text;"
        "print(json.dumps([example_text(json.load(open(0)), n) for n in [int(sys.argv[1])]]))"
    )
    here = example_text(MIXED, 7)
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program, "7"],
            input=json.dumps(MIXED),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(there.stdout) == [here]


def test_an_example_is_the_same_in_every_thread() -> None:
    numbers = list(range(50)) * 4
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda number: example_text(MIXED, number), numbers))
    assert texts == [example_text(MIXED, number) for number in numbers]


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    zip_code: str = Field(pattern=r"^\d{5}$")
    country: str = Field(min_length=2, max_length=2)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str = "Rex"


class Tree(BaseModel):
    value: int
    children: "list[Tree]"


class Order(BaseModel):
    """Somebody buys something."""

    id: UUID
    address: Address
    placed: datetime
    day: date
    at: time
    took: timedelta
    total: Decimal
    price: float = Field(gt=0, multiple_of=0.01)
    page: AnyUrl
    ip: IPvAnyAddress
    color: Color
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    other: Cat | Dog | None
    labels: set[str] = Field(min_length=2)
    amounts: dict[str, int]
    point: tuple[int, float]
    note: str | None = None
    tree: Tree


@pytest.mark.parametrize("model", [Address, Cat, Dog, Tree, Order])
@pytest.mark.parametrize(
    "schema_of",
    [
        BaseModel.model_json_schema.__func__,  # type: ignore[attr-defined]
        to_strict_json_schema,
        lambda model: pydantic_function_tool(model)["function"]["parameters"],
    ],
    ids=["plain", "response_format", "tool"],
)
def test_pydantic_reads_the_examples_of_its_schemas(
    model: type[BaseModel], schema_of: Callable[[type[BaseModel]], Schema]
) -> None:
    for number in SEVERAL:
        model.model_validate_json(example_text(schema_of(model), number))


def inside(levels: int, wrap: Callable[[Schema], Schema], schema: Schema) -> Schema:
    for _ in range(levels):
        schema = wrap(schema)
    return schema


def text_of(pattern: str, **rules: int) -> Schema:
    return {"type": "string", "pattern": pattern, **rules}


HOSTILE: dict[str, Schema] = {
    "many items": {"type": "array", "minItems": 10**9, "items": {"const": 1}},
    "many different items": {"type": "array", "minItems": 10**9, "uniqueItems": True},
    "many different booleans": {"items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True},
    "many characters": {"type": "string", "minLength": 10**9},
    "many properties": {"type": "object", "minProperties": 10**9},
    "many required": {"type": "object", "required": [str(n) for n in range(100_000)]},
    "many branches": {"anyOf": [{"type": "string", "minLength": 9, "maxLength": 3}] * 10_000},
    "many combinations": {"allOf": [{"anyOf": [{"type": "string"}] * 9}] * 99 + [{"type": "null"}]},
    "many copies": {"type": "array", "minItems": 10_000, "items": {"const": "x" * 100_000}},
    "many values": {"minItems": 10_000, "items": {"enum": ["x" * 1_000_000, "a"]}},
    "many patterns": closed(**{f"a{n}": text_of("[a-z]" * 390 + f"{n}") for n in range(300)}),
    "many names for many patterns": {
        "properties": {"a" * 500 + f"{n}": True for n in range(300)},
        "patternProperties": {f"^(.*a)*{n}(.*)*$": True for n in range(100)},
    },
    "long repeats": text_of("a{1000000}"),
    "repeated repeats": text_of("^((((a{60000}){60000}){60000}){60000})$"),
    "repeats of nothing": text_of("(?:){4000000000}(a?){60000}", minLength=5),
    "slow pattern": text_of("^(a+)+$|^(a|a|a)*(a*)*(a*)*b$", minLength=500),
    "slow lookahead": text_of("^(?=(.+)+x$)(?=(.*)*y$)", minLength=100),
    "nested lookaheads": text_of("(?=.*" * 30 + "q" + ")" * 30, minLength=100),
    "broken pattern": text_of("(*"),
    "deep objects": inside(300, lambda schema: closed(a=schema), {"type": "string"}),
    "deep allOf": inside(900, lambda schema: {"allOf": [schema]}, {"type": "string"}),
    "deep const": {"const": inside(900, lambda schema: {"a": schema}, {})},
    "reference to itself": {"$ref": "#"},
    "references in a ring": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "choice of itself": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    "endless object": closed(a={"$ref": "#"}, b={"$ref": "#"}),
    "endless choices": closed(a={"anyOf": [{"$ref": "#"}, {"$ref": "#"}, {"$ref": "#"}]}),
    "endless array": {"type": "array", "minItems": 5, "items": {"$ref": "#"}},
    "endless map": {"properties": {str(n): {"$ref": "#"} for n in range(50)}},
    "doubling": {
        "$ref": "#/$defs/0",
        "$defs": {str(n): closed(a=(to := {"$ref": f"#/$defs/{n + 1}"}), b=to) for n in range(40)},
    },
    "remote reference": closed(a={"$ref": "https://example.com/schema.json"}),
    "dangling reference": closed(a={"$ref": "#/$defs/none/0"}, b={"$ref": "#none"}),
    "nothing allowed": closed(a={"allOf": [True, False]}),
    "no value allowed": closed(a={"enum": []}),
    "no number between": {"type": "integer", "minimum": 0.1, "maximum": 0.9},
    "huge number": {"type": "number", "minimum": 10**400, "multipleOf": 1e-300},
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_schema_gets_something_small_soon(case: str) -> None:
    text = example_text(HOSTILE[case], 1)
    assert len(text) <= MAX_WORK
    json.loads(text)


def test_what_cannot_be_satisfied_gets_an_empty_object() -> None:
    assert example_text(HOSTILE["nothing allowed"], 1) == "{}"


def test_groups_may_be_named_as_in_javascript() -> None:
    assert json.loads(example_text(text_of(r"^(?<year>20)(?<month>07)$"), 1)) == "2007"


def test_what_is_not_understood_asks_for_nothing() -> None:
    schema = closed(a={"$ref": "https://example.com/schema.json"}, b=text_of("(*"), c={"type": 5})
    assert json.loads(example_text(schema, 1)).keys() == {"a", "b", "c"}


# Schemas that some data satisfies, of the kinds that clients send.

NAMES = st.sampled_from(["id", "name", "city", "email", "count", "tags", "due", "a b", "größe"])
PATTERNS = (  # the pattern, and fewest and most characters that some match has
    (r"^[A-Z]{3}-\d{4}$", 8, 8),
    (r"^#?[0-9a-f]{6}$", 6, 7),
    (r"^(GET|POST)$", 3, 4),
    (r"^\+?[1-9]\d{1,14}$", 2, 16),
    (r"[^\s]+@[^\s]+", 3, 30),
    (r"^(?:\w+\.)*\w+$", 1, 30),
    (r"^v\d+\.\d+\.\d+$", 6, 12),
    (r"x", 1, 20),
    (r"^[^abc]*$", 0, 20),
    (r"^(?!no)[a-z]+$", 1, 20),
    (r"^.*\S.*$", 1, 30),
    (r"^$|^[a-z]$", 0, 1),
    (r"^[\u00c0-\u024f]{2,}$", 2, 10),
    (r"^(?=.*\d)(?=.*[a-z])[a-z0-9]{8,}$", 8, 20),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text('abc äß"\\', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)


@st.composite
def number_schemas(draw: st.DrawFn) -> Schema:
    kind = draw(st.sampled_from(["integer", "number"]))
    steps: list[float] = [1, 2, 7, 100] if kind == "integer" else [1, 0.5, 0.25, 0.01, 0.1, 3]
    step = draw(st.sampled_from(steps))
    low = draw(st.integers(-1000, 1000)) * step
    high = low + draw(st.integers(2, 50)) * step
    rules = {
        "multipleOf": step,
        draw(st.sampled_from(["minimum", "exclusiveMinimum"])): low,
        draw(st.sampled_from(["maximum", "exclusiveMaximum"])): high,
    }
    chosen = draw(st.lists(st.sampled_from(sorted(rules)), unique=True))
    return {"type": kind, **{keyword: rules[keyword] for keyword in chosen}}


@st.composite
def string_schemas(draw: st.DrawFn) -> Schema:
    schema: Schema = {"type": "string"}
    if draw(st.booleans()):
        return schema | {"format": draw(st.sampled_from(FORMATS))}
    fewest, most = 0, 40
    if draw(st.booleans()):
        schema["pattern"], fewest, most = draw(st.sampled_from(PATTERNS))
    if draw(st.booleans()):
        schema["minLength"] = draw(st.integers(0, most))
    if draw(st.booleans()):
        schema["maxLength"] = draw(st.integers(max(fewest, schema.get("minLength", 0)), 60))
    return schema


SCALARS: Schemas = st.one_of(
    number_schemas(),
    string_schemas(),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["integer", "null"]}]),
    st.lists(JSON, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    JSON.map(lambda value: {"const": value}),
)


@st.composite
def object_schemas(draw: st.DrawFn, inner: Schemas) -> Schema:
    properties = draw(st.dictionaries(NAMES, inner, max_size=4))
    some = st.lists(st.sampled_from(sorted(properties)), unique=True) if properties else st.just([])
    required = draw(some)
    opened = {"type": "object", "properties": properties, "required": required}
    match draw(st.sampled_from(["strict", "closed", "few", "map", "patterns", "names"])):
        case "strict":
            return closed(**properties)
        case "closed":
            return {**opened, "additionalProperties": False}
        case "few":
            return {**opened, "maxProperties": draw(st.integers(len(required), 6))}
        case "map":
            values = draw(inner)
            return {
                **opened,
                "additionalProperties": values,
                "minProperties": draw(st.integers(0, 6)),
            }
        case "patterns":
            return {
                "type": "object",
                "properties": {"id": draw(inner)},
                "patternProperties": {"^x-[a-z]+$": draw(inner), r"^\d+$": draw(inner)},
                "additionalProperties": False,
                "minProperties": draw(st.integers(0, 4)),
            }
        case _:
            rules = [{"pattern": "^[a-z]{2,5}$"}, {"enum": ["a", "b", "c"]}, {"format": "uuid"}]
            return {
                "type": "object",
                "propertyNames": draw(st.sampled_from(rules)),
                "minProperties": draw(st.integers(0, 3)),
            }


@st.composite
def array_schemas(draw: st.DrawFn, inner: Schemas) -> Schema:
    match draw(st.sampled_from(["list", "set", "tuple"])):
        case "list":
            low = draw(st.integers(0, 5))
            high = draw(st.integers(low, 8))
            return {"type": "array", "items": draw(inner), "minItems": low, "maxItems": high}
        case "set":
            various: list[Schema] = [{"type": "string"}, {"enum": [1, 2, 3, 4]}, {}]
            items = draw(st.sampled_from([*various, closed(id={"type": "integer"})]))
            low = draw(st.integers(0, 4))
            return {"type": "array", "uniqueItems": True, "items": items, "minItems": low}
        case _:
            prefix = draw(st.lists(inner, min_size=1, max_size=3))
            rests: list[Schema] = [
                {"items": False},
                {"items": False, "minItems": len(prefix)},
                {"items": {"type": "integer"}, "minItems": 4},
            ]
            return {"type": "array", "prefixItems": prefix, **draw(st.sampled_from(rests))}


@st.composite
def combined_schemas(draw: st.DrawFn, inner: Schemas) -> Schema:
    match draw(st.sampled_from(["nullable", "any", "one", "tagged", "wrapped", "all"])):
        case "nullable":
            return {"anyOf": [draw(inner), {"type": "null"}]}
        case "any":
            return {"anyOf": draw(st.lists(inner, min_size=1, max_size=3))}
        case "one":
            exclusive = [
                string_schemas(),
                number_schemas(),
                object_schemas(inner),
                array_schemas(inner),
            ]
            return {"oneOf": [draw(schema) for schema in draw(st.permutations(exclusive))[:3]]}
        case "tagged":
            return {"oneOf": [closed(kind={"const": tag}, value=draw(inner)) for tag in "ab"]}
        case "wrapped":
            return {"allOf": [draw(inner)], "description": "An older way to describe a reference."}
        case _:
            left = {"properties": {"left": draw(inner)}, "required": ["left"]}
            right = {"properties": {"right": draw(inner)}, "required": ["right"]}
            return {"type": "object", "allOf": [left, right], "properties": {"own": draw(inner)}}


def nested_schemas(leaves: Schemas) -> Schemas:
    makers = (object_schemas, array_schemas, combined_schemas)
    return st.recursive(
        leaves, lambda inner: st.one_of(*(make(inner) for make in makers)), max_leaves=8
    )


@st.composite
def documents(draw: st.DrawFn) -> Schema:
    pointers = ["#/$defs/node", "#/$defs/chain", "#/$defs/a~1b%20c"]
    references: Schemas = st.sampled_from([{"$ref": pointer} for pointer in pointers])
    properties = draw(st.dictionaries(NAMES, nested_schemas(SCALARS | references), max_size=4))
    defined = {"node": NODE, "chain": CHAIN, "a/b c": draw(nested_schemas(SCALARS))}
    return {**closed(**properties), "$defs": defined}


ANY_NUMBER = st.integers(0, 2**64 - 1)


@given(documents(), ANY_NUMBER)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_example_satisfies_any_schema_that_can_be(schema: Schema, number: int) -> None:
    assert_satisfied(schema, example_text(schema, number))


KEYS = st.sampled_from(
    ["type", "enum", "const", "properties", "required", "items", "prefixItems", "contains",
     "additionalProperties", "patternProperties", "propertyNames", "minProperties", "minItems",
     "uniqueItems", "minLength", "maxLength", "pattern", "format", "minimum", "exclusiveMaximum",
     "multipleOf", "allOf", "anyOf", "oneOf", "$ref", "$defs"]
)  # fmt: skip
SCRAPS = st.sampled_from(
    ["object", "array", "string", "number", "#", "#/$defs", "#/allOf/0", "(a+)+$", "[", "(?=a)"]
)
GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | SCRAPS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
)


@given(st.dictionaries(KEYS, GARBAGE, max_size=6), ANY_NUMBER)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_schema_is_refused_however_malformed(schema: Schema, number: int) -> None:
    text = example_text(schema, number)
    assert len(text) <= MAX_WORK
    json.loads(text)
