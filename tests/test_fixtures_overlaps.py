"""Fixtures that can never be used are warned about, and others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.mock.fixtures.facts import facts_of
from llm_proxy.mock.fixtures.index import Index
from llm_proxy.mock.fixtures.matching import held
from llm_proxy.mock.fixtures.overlaps import unused
from tests.builders import chat_request
from tests.fixtures import Document, fixture, parsed

EMBEDDING = {"embedding": [1]}


def warnings(*documents: Document) -> list[str]:
    fixtures = parsed(*documents)
    return [str(one) for one in unused(fixtures, Index(fixtures))]


SHADOWED = [
    ({}, {"userMessage": "a"}),
    ({"userMessage": "a"}, {"userMessage": "a"}),
    ({"userMessage": "eat"}, {"userMessage": "weather"}),
    ({"userMessage": "eat"}, {"userMessage": "weather", "model": "a", "sequenceIndex": 0}),
    ({"userMessage": {"regex": "a.b"}}, {"userMessage": {"regex": "a.b"}, "turnIndex": 1}),
    ({"systemMessage": ["a", "b"]}, {"systemMessage": ["xb", "xa"]}),
    ({"model": "gpt-4o"}, {"model": "gpt-4o-2024-08-06"}),
    ({"model": "gpt-*"}, {"model": "gpt-4o"}),
    ({"endpoint": "chat"}, {"endpoint": "responses"}),
    ({"userMessage": "a", "sequenceIndex": 0}, {"userMessage": "a", "sequenceIndex": 0}),
]
NOT_SHADOWED = [
    ({"userMessage": "weather"}, {"userMessage": "eat"}),
    ({"userMessage": "a", "turnIndex": 0}, {"userMessage": "a", "turnIndex": 1}),
    ({"userMessage": "a", "sequenceIndex": 0}, {"userMessage": "a"}),
    ({"userMessage": "a", "sequenceIndex": 0}, {"userMessage": "a", "sequenceIndex": 1}),
    ({"userMessage": "ba", "sequenceIndex": 0}, {"userMessage": "bax", "sequenceIndex": 0}),
    ({"userMessage": {"regex": "a"}}, {"userMessage": "a"}),
    ({"model": "gpt-?o"}, {"model": "gpt-4o"}),
    ({"model": "gpt-4o-2024-08-06"}, {"model": "gpt-4o"}),
    ({"endpoint": "responses"}, {"endpoint": "chat"}),
    ({"context": "a"}, {}),
]


@pytest.mark.parametrize(("first", "second"), SHADOWED)
def test_a_fixture_behind_one_that_matches_all_of_it_is_warned_about(
    first: Document, second: Document
) -> None:
    assert warnings(fixture(first), fixture(second)) == [
        "f.json#2: it never matches: f.json#1 matches first, whenever it would"
    ]


@pytest.mark.parametrize(("first", "second"), NOT_SHADOWED)
def test_a_fixture_that_can_still_match_is_not_warned_about(
    first: Document, second: Document
) -> None:
    assert warnings(fixture(first), fixture(second)) == []


def test_responses_for_different_endpoints_do_not_meet() -> None:
    assert warnings(fixture({}), fixture({}, EMBEDDING)) == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            fixture({"endpoint": "image"}, {"image": {"url": "a"}}),
            "no endpoint here gives such a response",
        ),
        (
            fixture({"endpoint": "speech"}),
            "its endpoint is not served here, or its response is no answer there",
        ),
        (
            fixture({"endpoint": "chat"}, EMBEDDING),
            "its endpoint is not served here, or its response is no answer there",
        ),
        (
            fixture({"userMessage": "a", "sequenceIndex": 2}),
            "sequenceIndex is 2, but nothing has the same match and 0",
        ),
        (fixture({"turnIndex": 0}, EMBEDDING), "a request for embeddings has no turnIndex"),
        (
            fixture({"toolCallId": "a", "hasToolResult": False}),
            "hasToolResult is false, but another field is about a tool result",
        ),
        (
            fixture({"inputText": "a"}),
            "inputText is about embeddings, which have no such response",
        ),
    ],
)
def test_a_fixture_that_no_request_can_reach_is_warned_about(
    document: Document, reason: str
) -> None:
    assert warnings(document) == [f"f.json#1: it never matches: {reason}"]


def test_a_name_that_is_taken_is_warned_about() -> None:
    assert warnings(
        fixture({"userMessage": "a"}, name="x"), fixture({"userMessage": "b"}, name="x")
    ) == ["f.json#2: the name 'x' is that of f.json#1"]


TEXTS = st.text("ab", max_size=4)
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "userMessage": TEXTS,
        "model": st.sampled_from(["m", "m-1", "m-*", "*", "m-1-*"]),
        "turnIndex": st.integers(0, 1),
    },
)


@given(MATCHES, MATCHES, TEXTS, st.sampled_from(["m", "m-1", "m-1-2", "n"]))
def test_a_fixture_that_is_said_to_be_shadowed_is(
    first: Document, second: Document, user: str, model: str
) -> None:
    if not warnings(fixture(first), fixture(second)):
        return
    one, other = parsed(fixture(first), fixture(second))
    facts = facts_of(chat_request(user))
    facts.model = model
    assert held(other, facts) is None or held(one, facts) is not None


def test_of_many_patterns_few_are_compared_with_one() -> None:
    """Recordings are such: each has a pattern of its own, and they share all the rest."""
    match = {"model": "gpt-4o", "turnIndex": 0}
    many = parsed(
        *(fixture({**match, "userMessage": {"regex": rf"\Anumber {n}\Z"}}) for n in range(50))
    )
    assert [len(Index(many).wider(one)) for one in many] == [1] * 50
