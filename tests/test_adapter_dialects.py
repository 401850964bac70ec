"""One event of the legacy API means the same in each of its three generations."""

import ast
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.adapter.dialects.legacy import understand, words
from llm_proxy.adapter.dialects.meaning import Citation, End, Meaning, Other, Word
from llm_proxy.adapter.dialects.payload import object_in

repeatable = settings(deadline=None, derandomize=True)

QUOTES = """it's "so" \\ it's"""


def literally(payload: str) -> object:
    """The object that Python reads in a payload, if it is one."""
    try:
        value = ast.literal_eval(payload)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@settings(max_examples=2000, derandomize=True, deadline=None)
@given(st.text(), st.text())
def test_the_short_way_through_a_literal_leads_where_the_long_one_does(
    kind: str, text: str
) -> None:
    """Whatever stands between the quotes, even what ends them or is no part of a string."""
    payload = f"{{'type': '{kind}', 'data': '{text}'}}"
    assert object_in(payload) == literally(payload)


@given(
    st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Zs"]) | st.sampled_from("'\\\"a"))
)
def test_control_characters_in_a_literal_are_read_as_python_reads_them(text: str) -> None:
    payload = f"{{'type': 'response', 'data': '{text}'}}"
    assert object_in(payload) == literally(payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(["response", "citation", "Response", ""]), "data": st.text()}
) | st.dictionaries(st.sampled_from(["type", "data", "more"]), json_values)
written = st.one_of(
    events.map(json.dumps),
    events.map(lambda event: json.dumps(event, indent=1)),
    events.map(repr),
    st.text().map(lambda text: json.dumps({"type": "response", "data": text})),
    st.text(st.characters(categories=["Cs", "L"])).map(
        lambda text: json.dumps({"type": "response", "data": text})
    ),
    st.sampled_from(
        [
            '{"type": "response", "type": "citation", "data": "a"}',
            '{"type": "citation", "type": "response", "data": "a"}',
            '{"type": "response", "data": 1, "data": "a"}',
            '{"type": "response", "data": "a", "data": 1}',
            '{"type": "response", "data": "a", "data": "b"}',
            '{"type": "response", "data": "a"} {"type": "response", "data": "a"}',
            '{"type": "response", "data": "a"}\n{"type": "response", "data": "b"}',
            '{"type": "response", "more": ' + "[" * 5000 + "]" * 5000 + ', "data": "a"}',
            *("", " ", "\n", "[DONE]", "word", "{", '{"type": "response",', '"data": "a"}'),
        ]
    ),
    st.text(),
)


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(st.lists(written, min_size=1, max_size=4))
def test_the_short_way_through_payloads_finds_the_words_of_the_long_one(
    payloads: list[str],
) -> None:
    found = words(payloads)
    if found is not None:
        assert [(Word(text),) for text in found] == list(map(understand, payloads))


@pytest.mark.parametrize(
    "text", ["", "one", "na\u00efve", "\U0001f642", 'a "b"', "a\nb", "\0", "\u2028"]
)
@pytest.mark.parametrize("escaped", [True, False])
def test_words_in_json_go_the_short_way(text: str, escaped: bool) -> None:
    payload = json.dumps({"type": "response", "data": text}, ensure_ascii=escaped)
    assert words([payload] * 3) == [text] * 3


def meaning_of(payload: str) -> Meaning:
    """What a payload says that says one thing."""
    (meaning,) = understand(payload)
    return meaning


@pytest.mark.parametrize(
    ("payload", "meaning"),
    [
        ("word", Word("word")),
        ("{'type': 'response', 'data': 'word'}", Word("word")),
        ('{"type": "response", "data": "word"}', Word("word")),
        ("{'type': 'citation', 'data': 'a1'}", Citation("a1")),
        ('{"type": "citation", "data": "a1"}', Citation("a1")),
        (" \t{'type': 'response', 'data': 'word'}", Word("word")),
        ('  {"type": "response", "data": "word"} ', Word("word")),
        ("[DONE]", End()),
    ],
)
def test_the_documented_events(payload: str, meaning: Meaning) -> None:
    assert meaning_of(payload) == meaning


@repeatable
@given(st.text())
def test_a_word_is_the_same_as_a_literal_and_as_json(text: str) -> None:
    event = {"type": "response", "data": text}
    assert [meaning_of(repr(event)), meaning_of(json.dumps(event))] == [Word(text), Word(text)]


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
    assert meaning_of(payload) == Word(QUOTES)


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
    assert meaning_of(text) == Word(text)


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
    assert meaning_of(payload) == Other()


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
    assert meaning_of(payload) == meaning


@pytest.mark.parametrize(
    ("told", "citation"),
    [
        ({"id": 7}, Citation("7")),
        ({"id": 7, "title": "On birds"}, Citation("7", "On birds")),
        ({"id": "7", "url": "https://a.example/7"}, Citation("7", "", "https://a.example/7")),
        ({"id": 0, "title": "None", "url": None}, Citation("0", "None")),
        ({"title": "On birds"}, Citation("On birds", "On birds")),
        (
            {"title": "On birds", "url": "https://a.example/7"},
            Citation("https://a.example/7", "On birds", "https://a.example/7"),
        ),
        ({}, Other()),
        ({"name": "On birds"}, Other()),
        (True, Other()),
        (1.5, Citation("1.5")),
    ],
)
def test_a_citation_may_be_an_object(told: object, citation: Meaning) -> None:
    event = {"type": "citation", "data": told}
    assert [meaning_of(repr(event)), meaning_of(json.dumps(event))] == [citation, citation]


def test_an_event_may_hold_several_citations() -> None:
    event = {"type": "citation", "data": ["a", 2, {"id": "c", "title": "C"}]}
    expected = (Citation("a"), Citation("2"), Citation("c", "C"))
    assert understand(repr(event)) == understand(json.dumps(event)) == expected


def test_an_event_without_any_citation_says_nothing() -> None:
    assert meaning_of("{'type': 'citation', 'data': []}") == Other()


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    """No UTF-8 can carry it further."""
    literal = r"{'type': 'response', 'data': 'a\ud83d'}"
    assert meaning_of(literal) == Word("a\ufffd")
    assert meaning_of(literal.replace("'", '"')) == Word("a\ufffd")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{'a': ", "}"), ("(-", ")")])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_nesting_of_any_depth_is_survived(opening: str, closing: str, quote: str) -> None:
    for depth in (*range(1, 1200, 7), 100_000):
        data = opening * depth + "1" + closing * depth
        payload = f"{{'type': 'response', 'data': {data}}}".replace("'", quote)
        assert isinstance(meaning_of(payload), Word | Other)


@pytest.mark.parametrize(
    "data",
    ["1" * 5000, "0x" + "f" * 5000, "[0x" + "f" * 5000 + "]", "1+" * 50_000 + "1j", "-" * 50_000],
    ids=["decimal", "hexadecimal", "in a list", "sum", "signs"],
)
@pytest.mark.parametrize("kind", ["response", "citation"])
def test_numbers_of_any_length_are_survived(kind: str, data: str) -> None:
    meaning = meaning_of(f"{{'type': '{kind}', 'data': {data}}}")
    assert isinstance(meaning, Word | Other)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_long_word_is_one_word(quote: str) -> None:
    text = "x" * 1_000_000
    assert meaning_of(f"{{'type': 'response', 'data': '{text}'}}".replace("'", quote)) == Word(text)
