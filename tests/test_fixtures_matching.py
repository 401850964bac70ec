"""What a fixture matches, field by field, and what a miss tells."""

import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.chat_request import ChatRequest, Message, Tool, ToolCall
from llm_proxy.errors import NoFixtureMatch
from llm_proxy.mock.fixtures.facts import embedding_facts, facts_of
from llm_proxy.mock.fixtures.index import FEW, Index
from llm_proxy.mock.fixtures.matching import held
from llm_proxy.openai_api.embeddings import EmbeddingRequest
from tests.builders import chat_request
from tests.fixtures import Document, fixture, library, matched, parsed

USER = Message(role="user", text="What is the weather?")
SYSTEM = Message(role="system", text="alpha"), Message(role="developer", text="beta")
CALLED = Message(role="assistant", tool_calls=(ToolCall("call_1", "look", "{}"),))
RESULT = Message(role="tool", text='{"cancelled": true}', tool_call_id="call_1")
SAID = Message(role="assistant", text="Well.")


def asked(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(**{"model": "gpt-4o", "messages": messages or (USER,), **fields})


def matches(match: Document, request: ChatRequest) -> bool:
    return matched(library(fixture(match)), facts_of(request)) is not None


Case = tuple[Document, ChatRequest]
HOLDS: Mapping[str, Case] = {
    "nothing is asked": ({}, asked()),
    "a part of the user message": ({"userMessage": "weather"}, asked()),
    "the last user message": ({"userMessage": "weather"}, asked(USER, SAID)),
    "a message before an attachment": (
        {"userMessage": "weather"},
        asked(USER, Message(role="user", attachments=1)),
    ),
    "a pattern": ({"userMessage": {"regex": "(?i)WEATHER.$"}}, asked()),
    "a system message": ({"systemMessage": "alpha"}, asked(*SYSTEM, USER)),
    "a developer message": ({"systemMessage": "beta"}, asked(*SYSTEM, USER)),
    "all of a list": ({"systemMessage": ["beta", "alpha"]}, asked(*SYSTEM, USER)),
    "an empty list": ({"systemMessage": []}, asked()),
    "the model": ({"model": "gpt-4o"}, asked()),
    "a version of the model": ({"model": "gpt-4o"}, asked(model="gpt-4o-2024-08-06")),
    "a glob": ({"model": "gpt-?o*"}, asked(model="gpt-4o-mini")),
    "a pattern of models": ({"model": {"regex": "^gpt"}}, asked()),
    "a tool": ({"toolName": "look"}, asked(tools=(Tool(name="look", definition={}),))),
    "a tool result": ({"toolCallId": "call_1"}, asked(USER, CALLED, RESULT)),
    "a part of a tool result": (
        {"toolResultContains": '"cancelled"'},
        asked(USER, CALLED, RESULT),
    ),
    "that there is a tool result": ({"hasToolResult": True}, asked(USER, CALLED, RESULT)),
    "that there is none": ({"hasToolResult": False}, asked(USER, CALLED, RESULT, SAID, USER)),
    "the turn": ({"turnIndex": 1}, asked(USER, SAID, USER)),
    "a response format": (
        {"responseFormat": "json_object"},
        asked(document={"response_format": {"type": "json_object"}}),
    ),
    "a format of a response": (
        {"responseFormat": "json_schema"},
        asked(endpoint="responses", document={"text": {"format": {"type": "json_schema"}}}),
    ),
    "chat": ({"endpoint": "chat"}, asked()),
    "chat on the other surface": ({"endpoint": "chat"}, asked(endpoint="responses")),
    "responses": ({"endpoint": "responses"}, asked(endpoint="responses")),
    "completions": ({"endpoint": "completions"}, asked(endpoint="completions")),
    "a context": ({"context": "a"}, asked(headers={"x-aimock-context": "a"})),
    "a namespace": ({"namespace": "a"}, asked(headers={"x-mock-namespace": "a"})),
}
FAILS: Mapping[str, tuple[Document, ChatRequest, str]] = {
    "case": (
        {"userMessage": "Weather"},
        asked(),
        "userMessage: 'Weather' is not in 'What is the weather?'",
    ),
    "no user": ({"userMessage": ""}, asked(SAID), "userMessage: '' is not in nothing"),
    "an earlier user message": (
        {"userMessage": "weather"},
        asked(USER, SAID, Message(role="user", text="no")),
        "userMessage: 'weather' is not in 'no'",
    ),
    "a pattern": (
        {"userMessage": {"regex": "^weather"}},
        asked(),
        "userMessage: the pattern ^weather is not in 'What is the weather?'",
    ),
    "one of a list": (
        {"systemMessage": ["alpha", "gamma"]},
        asked(*SYSTEM, USER),
        "systemMessage: 'alpha' and 'gamma' is not in 'alpha\\nbeta'",
    ),
    "another model": (
        {"model": "gpt-4o"},
        asked(model="gpt-4o-mini"),
        "model: 'gpt-4o' is not 'gpt-4o-mini'",
    ),
    "a longer model": ({"model": "gpt-4o-mini"}, asked(), "model: 'gpt-4o-mini' is not 'gpt-4o'"),
    "no tool": ({"toolName": "look"}, asked(), "toolName: 'look' is not one of nothing"),
    "a result that is not last": (
        {"toolCallId": "call_1"},
        asked(USER, CALLED, RESULT, SAID),
        "toolCallId: 'call_1' is not nothing",
    ),
    "the turn": ({"turnIndex": 1}, asked(), "turnIndex: 1 is not 0"),
    "an old tool result": (
        {"hasToolResult": True},
        asked(USER, CALLED, RESULT, SAID, USER),
        "hasToolResult: true is not false",
    ),
    "no format": (
        {"responseFormat": "json_object"},
        asked(),
        "responseFormat: 'json_object' is not nothing",
    ),
    "responses": (
        {"endpoint": "responses"},
        asked(),
        "endpoint: it answers responses, not chat",
    ),
    "chat": (
        {"endpoint": "chat"},
        asked(endpoint="completions"),
        "endpoint: it answers chat, responses, not completions",
    ),
    "another context": (
        {"context": "a"},
        asked(headers={"x-aimock-context": "b"}),
        "context: 'a' is not 'b'",
    ),
    "no namespace": ({"namespace": "a"}, asked(), "namespace: 'a' is not ''"),
}


@pytest.mark.parametrize(("match", "request_"), HOLDS.values(), ids=HOLDS)
def test_a_field_that_holds_matches(match: Document, request_: ChatRequest) -> None:
    assert matches(match, request_)


@pytest.mark.parametrize(("match", "request_", "why"), FAILS.values(), ids=FAILS)
def test_a_field_that_does_not_hold_is_told(
    match: Document, request_: ChatRequest, why: str
) -> None:
    assert not matches(match, request_)
    assert library(fixture(match)).why(facts_of(request_)) == [f"f.json#1 [{why}]"]


def test_the_first_fixture_that_matches_wins() -> None:
    fixtures = library(fixture({"userMessage": "x"}), fixture({"userMessage": "h"}), fixture())
    match = matched(fixtures, facts_of(chat_request("hi")))
    assert match is not None
    assert match.fixture.number == 2


def test_all_fields_have_to_hold() -> None:
    fixtures = library(fixture({"userMessage": "hi", "turnIndex": 1, "context": "a"}))
    facts = facts_of(chat_request("hi"))
    assert matched(fixtures, facts) is None
    assert fixtures.why(facts) == ["f.json#1 [turnIndex: 1 is not 0; context: 'a' is not nothing]"]


def test_the_nearest_fixtures_come_first_in_what_a_miss_tells() -> None:
    fixtures = library(
        fixture({"userMessage": "zzz", "turnIndex": 3}),
        fixture({"userMessage": "qqq"}),
        fixture({"userMessage": "wether"}),
        fixture({"turnIndex": 4, "userMessage": "weather"}),
        fixture({"userMessage": "xxx", "model": "a", "context": "b"}),
    )
    nearest = fixtures.why(facts_of(chat_request("the weather")))
    assert [one.partition(" ")[0] for one in nearest] == ["f.json#4", "f.json#3", "f.json#2"]


def test_the_inputs_of_an_embedding_request_are_one_text() -> None:
    fixtures = library(
        fixture({"userMessage": "a"}),
        fixture({}),
        fixture({"inputText": "first second", "model": "m"}, {"embedding": [1]}),
    )
    match = matched(
        fixtures, embedding_facts(EmbeddingRequest("m", ("first", "second"), 3, False), {})
    )
    assert match is not None
    assert match.fixture.number == 3
    assert not matched(fixtures, embedding_facts(EmbeddingRequest("m", ([1, 2],), 3, False), {}))


def test_a_named_fixture_is_taken_whatever_it_matches() -> None:
    fixtures = library(fixture(), fixture({"userMessage": "x"}, name="mine"))
    match = matched(fixtures, facts_of(chat_request(headers={"x-mock-fixture": "mine"})))
    assert match is not None
    assert match.fixture.label == "f.json#2 (mine)"


def test_a_name_that_no_fixture_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(NoFixtureMatch) as refused:
        matched(
            library(fixture(name="rainy")),
            facts_of(chat_request(headers={"x-mock-fixture": "rany"})),
        )
    assert refused.value.message == (
        "x-mock-fixture: there is no fixture called 'rany'. Is it 'rainy'?"
    )


def test_the_groups_of_a_pattern_are_kept() -> None:
    pattern = r"(?i)order (?P<order>\d+)(?P<more>!)?"
    match = matched(
        library(fixture({"userMessage": {"regex": pattern}})), facts_of(chat_request("My ORDER 12"))
    )
    assert match is not None
    assert match.groups == {"order": "12", "more": ""}


def test_a_pattern_cannot_hang_the_server() -> None:
    fixtures = library(*(fixture({"userMessage": {"regex": f"(a+)+{n}$"}}) for n in range(100)))
    began = time.monotonic()
    assert matched(fixtures, facts_of(chat_request("a" * 5000 + "b"))) is None
    assert time.monotonic() - began < 20  # each alone would take longer than the universe is old


TEXTS = st.text("ab\N{GRINNING FACE}", max_size=9)
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "userMessage": TEXTS,
        "systemMessage": st.lists(TEXTS, max_size=2),
        "turnIndex": st.integers(0, 1),
        "hasToolResult": st.booleans(),
        "model": st.sampled_from(["m", "m-1", "m-*"]),
        "context": st.sampled_from(["a", "b"]),
    },
)


@given(
    st.lists(MATCHES, max_size=12),
    TEXTS,
    TEXTS,
    st.sampled_from(["m", "m-1", "m-1-2"]),
    st.sampled_from(["a", ""]),
)
def test_the_index_leaves_out_only_what_does_not_match(
    wanted: list[Document], user: str, system: str, model: str, context: str
) -> None:
    fixtures = parsed(*map(fixture, wanted))
    request = asked(
        Message(role="system", text=system),
        Message(role="user", text=user),
        model=model,
        headers={"x-aimock-context": context},
    )
    facts = facts_of(request)
    candidates = Index(fixtures).candidates(facts)
    matching = [at for at, one in enumerate(fixtures) if held(one, facts) is not None]
    assert [at for at in candidates if at in matching] == matching
    assert candidates == sorted(set(candidates))


@given(st.lists(TEXTS, min_size=FEW, max_size=FEW + 20, unique=True), TEXTS)
def test_the_index_of_many_texts_leaves_out_only_what_does_not_match(
    wanted: list[str], user: str
) -> None:
    candidates = Index(parsed(*(fixture({"userMessage": one}) for one in wanted))).candidates(
        facts_of(chat_request(user))
    )
    assert {at for at, one in enumerate(wanted) if one in user} <= set(candidates)


def test_the_index_finds_one_of_many_in_few() -> None:
    fixtures = parsed(*(fixture({"userMessage": f"question {n:05d}"}) for n in range(2000)))
    facts = facts_of(chat_request("What of " + "x" * 200 + "question 01234?"))
    assert len(Index(fixtures).candidates(facts)) < 20
