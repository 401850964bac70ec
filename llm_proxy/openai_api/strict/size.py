"""How large the schema of a strict answer may be.

Source of the limits: OpenAI's guide "Structured outputs", "Supported schemas".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from llm_proxy.openai_api.strict.bounds import array, mapping

MAX_NESTING = 10
MAX_PROPERTIES = 5000
MAX_ENUM_VALUES = 1000
MANY_ENUM_VALUES = 250
MAX_ENUM_CHARACTERS = 15_000
"""For all values together, where there are more than `MANY_ENUM_VALUES`."""


class Size(Struct):
    """How large a schema is, counted node by node."""

    nesting: int = 0
    properties: int = 0
    enum_values: int = 0
    enum_characters: int = 0

    def add(self, schema: Mapping[str, Any], depth: int) -> None:
        """Count a schema whose value is inside of `depth` others; not the schemas in it."""
        holds = has_type(schema, "object") or has_type(schema, "array")
        self.nesting = max(self.nesting, depth + holds)
        self.properties += len(mapping(schema.get("properties")))
        values = array(schema.get("enum"))
        self.enum_values += len(values)
        self.enum_characters += sum(len(value) for value in values if isinstance(value, str))

    def problems(self) -> Iterator[str]:
        """What of it is too much, in OpenAI's words."""
        if self.properties > MAX_PROPERTIES:
            yield f"{self.properties} parameters exceeds limit of {MAX_PROPERTIES}."
        if self.nesting > MAX_NESTING:
            yield f"{self.nesting} levels of nesting exceeds limit of {MAX_NESTING}."
        if self.enum_values > MAX_ENUM_VALUES:
            yield (
                f"Expected at most {MAX_ENUM_VALUES} enum values in total within a single schema "
                f"when using structured outputs, but received {self.enum_values}. Consider "
                "reducing the number of enums, or use 'strict: false' to opt out of structured "
                "outputs."
            )
        elif self.enum_values > MANY_ENUM_VALUES and self.enum_characters > MAX_ENUM_CHARACTERS:
            yield (
                f"Expected at most {MAX_ENUM_CHARACTERS} total characters across enum values when "
                f"there are more than {MANY_ENUM_VALUES} enum values, but received "
                f"{self.enum_characters}. Consider reducing the number of enums, or use "
                "'strict: false' to opt out of structured outputs."
            )


def has_type(schema: Mapping[str, Any], kind: str) -> bool:
    """Whether values of the schema may be of this type."""
    return schema.get("type") == kind or kind in array(schema.get("type"))
