"""Other search APIs are understood by the paths to their fields, without code."""

import json
from typing import Any

import pytest

from llm_proxy.adapter.dialects import dialect_of
from llm_proxy.adapter.dialects.mapped import Mapped
from llm_proxy.adapter.dialects.meaning import Citation, End, Meaning, Other, Word
from llm_proxy.settings.event_fields import EventFields, dialect

KINDS = EventFields(
    type="event",
    text="payload.delta",
    text_types=("token", "code"),
    citation="payload.source",
    citation_types=("source",),
    end_types=("end",),
    citation_id="ref",
    citation_title="name",
    citation_url="link",
)
"""An API that tells what kind of event each is."""

PLAIN = EventFields(text="choices.0.delta.content", citation="sources")
"""An API whose events hold what they hold."""


def said(fields: EventFields, event: object) -> tuple[Meaning, ...]:
    """What an event says, which is the same as JSON and as a Python literal."""
    meanings = Mapped(fields)(json.dumps(event))
    assert Mapped(fields)(repr(event)) == meanings
    return meanings


@pytest.mark.parametrize(
    ("event", "meanings"),
    [
        ({"event": "token", "payload": {"delta": "one"}}, (Word("one"),)),
        ({"event": "code", "payload": {"delta": 42}}, (Word("42"),)),
        ({"event": "thought", "payload": {"delta": "hm"}}, (Other(),)),
        ({"payload": {"delta": "one"}}, (Other(),)),
        ({"event": "token", "payload": {"delta": None}}, (Other(),)),
        ({"event": "token", "payload": "one"}, (Other(),)),
        ({"event": "token"}, (Other(),)),
        ({"event": "end"}, (End(),)),
        ({"event": "source", "payload": {"source": "a1"}}, (Citation("a1"),)),
        (
            {"event": "source", "payload": {"source": {"ref": 7, "name": "On", "link": "x"}}},
            (Citation("7", "On", "x"),),
        ),
        ({"event": "source", "payload": {"source": {"id": 7}}}, (Other(),)),
        ({"event": "source", "payload": {"source": None}}, (Other(),)),
    ],
)
def test_the_type_of_an_event_tells_where_to_look(
    event: object, meanings: tuple[Meaning, ...]
) -> None:
    assert said(KINDS, event) == meanings


@pytest.mark.parametrize(
    ("event", "meanings"),
    [
        ({"choices": [{"delta": {"content": "one"}}]}, (Word("one"),)),
        ({"choices": []}, (Other(),)),
        ({"choices": {"0": {"delta": {"content": "one"}}}}, (Word("one"),)),
        ({"sources": ["a", {"id": "b", "title": "B"}]}, (Citation("a"), Citation("b", "B"))),
        ({"sources": []}, (Other(),)),
        (
            {"choices": [{"delta": {"content": "one"}}], "sources": ["a"]},
            (Word("one"), Citation("a")),
        ),
    ],
)
def test_without_a_type_an_event_says_what_it_holds(
    event: object, meanings: tuple[Meaning, ...]
) -> None:
    assert said(PLAIN, event) == meanings


@pytest.mark.parametrize("payload", ["one", "", "42", "[1]", "{", "null", "{'choices': [1"])
def test_what_is_no_object_says_nothing(payload: str) -> None:
    assert Mapped(PLAIN)(payload) == (Other(),)


def test_done_ends_the_answer() -> None:
    assert Mapped(PLAIN)("[DONE]") == (End(),)


@pytest.mark.parametrize("data", ["0x" + "f" * 5000, "[" * 900 + "1" + "]" * 900])
def test_what_cannot_be_written_down_says_nothing(data: str) -> None:
    for fields in (EventFields(text="data", citation="data"), KINDS):
        meanings = Mapped(fields)(f"{{'event': {data}, 'data': {data}}}")
        assert all(isinstance(meaning, Citation | Other) for meaning in meanings)


def test_the_setting_names_the_legacy_dialect_or_the_fields() -> None:
    assert dialect("legacy") is None
    assert dialect('{"text": "a.b", "text_types": ["t"], "type": "k"}') == EventFields(
        text="a.b", text_types=("t",), type="k"
    )
    assert dialect_of(None)("word") == (Word("word"),)
    assert dialect_of(EventFields(text="t"))('{"t": "word"}') == (Word("word"),)


WRONG: dict[str, Any] = {
    "json": 'the value is neither legacy nor a JSON object like {"text": "delta.text"}',
    '["text"]': 'the value is neither legacy nor a JSON object like {"text": "delta.text"}',
    '{"txt": "a"}': "a dialect has no key 'txt'; is it text?",
    '{"zzz": 1}': "a dialect has no key 'zzz'; there are text, citation, type, text_types, "
    "citation_types, end_types, citation_id, citation_title, citation_url",
    "{}": "a dialect missing required field `text`",
    '{"text": 1}': "Expected `str`, got `int` - at `text`",
    '{"text": "a", "end_types": ["x"]}': "the types of a dialect need 'type', the path to the "
    "type of an event",
}


@pytest.mark.parametrize(("raw", "problem"), WRONG.items())
def test_a_wrong_dialect_is_refused_with_what_is_allowed(raw: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        dialect(raw)
    assert str(refused.value) == problem
