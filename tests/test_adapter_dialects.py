"""One event of the legacy API means the same in each of its three generations."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.adapter.dialects import Citation, End, Meaning, Other, Word, understand

repeatable = settings(deadline=None, derandomize=True)

QUOTES = """it's "so" \\ it's"""


@pytest.mark.parametrize(
    ("payload", "meaning"),
    [
        ("word", Word("word")),
        ("{'type': 'response', 'data': 'word'}", Word("word")),
        ('{"type": "response", "data": "word"}', Word("word")),
        ("{'type': 'citation', 'data': 'a1'}", Citation("a1")),
        ('{"type": "citation", "data": "a1"}', Citation("a1")),
        ("[DONE]", End()),
    ],
)
def test_the_documented_events(payload: str, meaning: Meaning) -> None:
    assert understand(payload) == meaning


@repeatable
@given(st.text())
def test_a_word_is_the_same_as_a_literal_and_as_json(text: str) -> None:
    event = {"type": "response", "data": text}
    assert [understand(repr(event)), understand(json.dumps(event))] == [Word(text), Word(text)]


@pytest.mark.parametrize(
    "payload",
    [
        f"{{'type': 'response', 'data': {QUOTES!r}}}",
        f'{{"type": "response", "data": {json.dumps(QUOTES)}}}',
        """{'type': 'response', 'data': 'it\\'s "so" \\\\ it\\'s'}""",
        """{"type": 'response', 'data': "it's \\"so\\" \\\\ it's"}""",
    ],
)
def test_quotes_within_quotes_are_kept(payload: str) -> None:
    assert understand(payload) == Word(QUOTES)


@pytest.mark.parametrize(
    "text",
    [
        "42",
        "-1.5",
        "None",
        "null",
        "True",
        '"x"',
        "'x'",
        "['type']",
        '["type"]',
        "('type', 'response')",
        "",
        " ",
        "[DONE] ",
        "[done]",
        "{",
        "{}",
        "{x}",
        "{'type', 'response'}",
        '{"data": "no type"}',
        "{'type': 'response', 'data': 'cut o",
        "{'type': 'response', 'data': open('/etc/passwd')}",
        "{'type': 'response', 'data': __import__('os')}",
        "{[]: 'type'}",
        "{'type': 'response', 'data': '\0'}",
    ],
)
def test_whatever_is_no_object_with_a_type_is_text_as_it_stands(text: str) -> None:
    assert understand(text) == Word(text)


@pytest.mark.parametrize(
    "payload",
    [
        "{'type': 'response', 'data': None}",
        '{"type": "response", "data": null}',
        "{'type': 'response'}",
        "{'type': 'citation', 'data': None}",
        '{"type": "citation"}',
        "{'type': 'status', 'data': 'searching'}",
        '{"type": null, "data": "x"}',
        "{'type': ['response'], 'data': 'x'}",
        "{'type': 'Response', 'data': 'x'}",
    ],
)
def test_other_types_say_nothing(payload: str) -> None:
    assert understand(payload) == Other()


@pytest.mark.parametrize(
    ("payload", "meaning"),
    [
        ("{'type': 'response', 'data': 42}", Word("42")),
        ('{"type": "response", "data": 42}', Word("42")),
        ("{'type': 'response', 'data': ''}", Word("")),
        ("{'type': 'citation', 'data': 22}", Citation("22")),
        ('{"type": "citation", "data": 22}', Citation("22")),
        ('{"type": "citation", "data": "https://a.example/b"}', Citation("https://a.example/b")),
    ],
)
def test_data_that_is_no_string_is_written_as_one(payload: str, meaning: Meaning) -> None:
    assert understand(payload) == meaning


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_citation_that_is_an_object_is_named_by_its_id(quote: str) -> None:
    event = "{'type': 'citation', 'data': {'id': 7, 'title': 'On birds'}}"
    assert understand(event.replace("'", quote)) == Citation("7")


def test_an_object_without_an_id_is_the_same_citation_in_both_generations() -> None:
    event = {"type": "citation", "data": {"title": "On birds"}}
    assert understand(repr(event)) == understand(json.dumps(event))


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    """No UTF-8 can carry it further."""
    literal = r"{'type': 'response', 'data': 'a\ud83d'}"
    assert understand(literal) == Word("a\ufffd")
    assert understand(literal.replace("'", '"')) == Word("a\ufffd")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{'a': ", "}"), ("(-", ")")])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_nesting_of_any_depth_is_survived(opening: str, closing: str, quote: str) -> None:
    for depth in (*range(1, 1200, 7), 100_000):
        data = opening * depth + "1" + closing * depth
        payload = f"{{'type': 'response', 'data': {data}}}".replace("'", quote)
        assert isinstance(understand(payload), Word | Other)


@pytest.mark.parametrize(
    "data",
    ["1" * 5000, "0x" + "f" * 5000, "[0x" + "f" * 5000 + "]", "1+" * 50_000 + "1j", "-" * 50_000],
    ids=["decimal", "hexadecimal", "in a list", "sum", "signs"],
)
@pytest.mark.parametrize("kind", ["response", "citation"])
def test_numbers_of_any_length_are_survived(kind: str, data: str) -> None:
    meaning = understand(f"{{'type': '{kind}', 'data': {data}}}")
    assert isinstance(meaning, Word | Other)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_long_word_is_one_word(quote: str) -> None:
    text = "x" * 1_000_000
    assert understand(f"{{'type': 'response', 'data': '{text}'}}".replace("'", quote)) == Word(text)
