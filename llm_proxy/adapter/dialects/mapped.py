"""The dialect of any other search API: which fields of an event say what is configured."""

from collections.abc import Mapping, Sequence
from typing import Any

from llm_proxy.adapter.dialects.meaning import (
    Citation,
    End,
    Meaning,
    Other,
    Word,
    citation_of,
    text_of,
)
from llm_proxy.adapter.dialects.payload import object_in
from llm_proxy.settings.event_fields import EventFields


class Mapped:
    """Understands events by the paths to their fields."""

    def __init__(self, fields: EventFields) -> None:
        self._fields = fields

    def __call__(self, payload: str) -> tuple[Meaning, ...]:
        """What one payload says; an event may hold text and several citations at once.

        Whatever is no object, in JSON or as a Python literal, says nothing but `[DONE]`.
        """
        if payload == "[DONE]":
            return (End(),)
        event = object_in(payload)
        if event is None:
            return (Other(),)
        try:
            return tuple(self._meanings(event)) or (Other(),)
        except (ValueError, RecursionError):
            return (Other(),)

    def _meanings(self, event: Mapping[str, Any]) -> list[Meaning]:
        fields = self._fields
        kind = text_of(_at(event, fields.type)) if fields.type else ""
        if kind and kind in fields.end_types:
            return [End()]
        found: list[Meaning] = []
        if not fields.text_types or kind in fields.text_types:
            text = _at(event, fields.text)
            if isinstance(text, str | int | float) and not isinstance(text, bool):
                found.append(Word(text_of(text)))
        if fields.citation and (not fields.citation_types or kind in fields.citation_types):
            cited = _at(event, fields.citation)
            several = cited if isinstance(cited, list | tuple) else [cited]
            found += filter(_is_citation, map(self._citation, several))
        return found

    def _citation(self, told: object) -> Citation | Other:
        fields = self._fields
        return citation_of(told, fields.citation_id, fields.citation_title, fields.citation_url)


def _is_citation(meaning: Meaning) -> bool:
    return isinstance(meaning, Citation)


def _at(event: object, path: str) -> object:
    """What stands at a path like `choices.0.delta.content`, or nothing."""
    value = event
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            value = value[int(step)] if step.isdecimal() and int(step) < len(value) else None
        else:
            return None
    return value
