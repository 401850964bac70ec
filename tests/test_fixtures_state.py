"""Fixtures that were set at run time, and what is counted: over all who share a state."""

import threading
from collections import Counter

import pytest

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.errors import InternalError, NoFixtureMatch
from llm_proxy.mock.decisions import Decisions
from llm_proxy.mock.faults.precedence import Faults
from llm_proxy.mock.fixtures.facts import facts_of
from llm_proxy.mock.fixtures.library import Fixtures, Found
from llm_proxy.settings.chaos import Chaos
from llm_proxy.sqlite import place
from llm_proxy.sqlite.state import SqliteState
from tests.builders import chat_request, empty_state
from tests.fixtures import fixture, library, matched


def numbers(fixtures: Fixtures, request: ChatRequest, count: int) -> list[str | None]:
    """The labels of what answers the same request again and again."""
    matches = (matched(fixtures, facts_of(request)) for _ in range(count))
    return [None if match is None else match.fixture.label for match in matches]


def asked(namespace: str, text: str = "hi") -> ChatRequest:
    return chat_request(text, headers={"x-mock-namespace": namespace})


SEQUENCE = [fixture({"userMessage": "hi", "sequenceIndex": place}) for place in range(3)]


def test_a_sequence_answers_one_after_the_other_and_then_no_more() -> None:
    fixtures = library(*SEQUENCE)
    assert numbers(fixtures, chat_request(), 4) == ["f.json#1", "f.json#2", "f.json#3", None]
    assert fixtures.why(facts_of(chat_request()))[0] == (
        "f.json#1 [sequenceIndex: 0 is not 3, the matches so far]"
    )


def test_each_namespace_counts_for_itself_until_it_is_reset() -> None:
    state = empty_state()
    fixtures = library(*SEQUENCE, fixture(), state=state)
    assert numbers(fixtures, asked("a"), 2) == ["f.json#1", "f.json#2"]
    assert numbers(fixtures, asked("b"), 1) == ["f.json#1"]
    state.reset("a")
    assert numbers(fixtures, asked("a"), 1) == ["f.json#1"]
    assert numbers(fixtures, asked("b"), 1) == ["f.json#2"]


def test_only_fixtures_of_the_same_pattern_count_together() -> None:
    fixtures = library(
        fixture({"userMessage": "hi", "sequenceIndex": 0}),
        fixture({"userMessage": "h", "sequenceIndex": 0}),
        fixture({"userMessage": "hi"}),
    )
    assert numbers(fixtures, chat_request(), 3) == ["f.json#1", "f.json#2", "f.json#3"]


def test_no_turn_is_taken_twice_by_two_who_share_a_state() -> None:
    state = empty_state()
    documents = [fixture({"sequenceIndex": place}) for place in range(200)]
    workers = [library(*documents, state=state) for _ in range(4)]
    answered: Counter[int] = Counter()
    lock = threading.Lock()

    def work(fixtures: Fixtures) -> None:
        for _ in range(50):
            match = matched(fixtures, facts_of(chat_request()))
            assert match is not None
            with lock:
                answered[match.fixture.number] += 1

    threads = [threading.Thread(target=work, args=(fixtures,)) for fixtures in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == Counter(range(1, 201))


class Hasty(SqliteState):
    """A state in which somebody else is always a little faster, once."""

    def __init__(self) -> None:
        super().__init__(place.database(place.whereabouts("", {})))
        self._others = 1

    def advance(self, namespace: str, counter: str, expected: int | None = None) -> bool:
        if self._others:
            self._others -= 1
            super().advance(namespace, counter)
        return super().advance(namespace, counter, expected)


def test_who_loses_the_race_for_a_turn_gets_the_next_one() -> None:
    assert numbers(library(*SEQUENCE, state=Hasty()), chat_request(), 1) == ["f.json#2"]


def test_what_was_set_at_run_time_comes_first_and_the_newest_before_all() -> None:
    state = empty_state()
    fixtures = library(fixture(), state=state)
    first = state.add("fixture", "", fixture({"userMessage": "h"}))
    second = state.add("fixture", "", fixture({"userMessage": "hi"}, name="new"))
    assert numbers(fixtures, chat_request(), 1) == [f"run time#{second} (new)"]
    assert numbers(fixtures, chat_request("h"), 1) == [f"run time#{first}"]
    state.remove("fixture", second)
    assert numbers(fixtures, chat_request(), 1) == [f"run time#{first}"]
    state.reset()
    assert numbers(fixtures, chat_request(), 1) == ["f.json#1"]


def test_what_was_set_for_a_namespace_holds_there_only() -> None:
    state = empty_state()
    number = state.add("fixture", "a", fixture())
    fixtures = Fixtures(state)
    assert numbers(fixtures, asked("a"), 1) == [f"run time#{number}"]
    assert numbers(fixtures, asked("b"), 1) == [None]


def test_every_use_is_counted() -> None:
    state = empty_state()
    fixtures = Fixtures(state)
    used, unused = (state.add("fixture", "a", fixture({"userMessage": one})) for one in "hx")
    numbers(fixtures, asked("a"), 3)
    assert [state.count("a", f"used:{number}") for number in (used, unused)] == [3, 0]


def test_a_fixture_is_used_as_often_as_it_may_be() -> None:
    state = empty_state()
    number = state.add("fixture", "", fixture(), times=2)
    fixtures = library(fixture(), state=state)
    label = f"run time#{number}"
    assert numbers(fixtures, chat_request(), 3) == [label, label, "f.json#1"]


def test_a_broken_fixture_of_run_time_is_left_out() -> None:
    state = empty_state()
    state.add("fixture", "", {"match": {}, "respnse": {}})
    assert numbers(library(fixture(), state=state), chat_request(), 1) == ["f.json#1"]


def test_a_fixture_asked_for_by_name_is_used_as_often_as_it_may_be() -> None:
    state = empty_state()
    number = state.add("fixture", "", fixture(name="once"), times=1)
    request = chat_request(headers={"x-mock-fixture": "once"})
    fixtures = Fixtures(state)
    label = f"run time#{number} (once)"
    assert numbers(fixtures, request, 1) == [label]
    with pytest.raises(NoFixtureMatch) as refused:
        fixtures.find(facts_of(request))
    assert refused.value.message == (
        f"x-mock-fixture: the fixture {label} has been used as often as it may be."
    )
    assert numbers(library(fixture(name="once"), state=state), request, 1) == ["f.json#1 (once)"]


class Unattainable(Fixtures):
    """Fixtures of which somebody else always has the turn."""

    def counted(self, found: Found) -> bool:  # noqa: ARG002
        return False


def test_a_race_that_is_never_won_ends() -> None:
    state = empty_state()
    state.add("fixture", "", fixture())
    decisions = Decisions(Unattainable(state), Faults(state, Chaos(), 0))
    with pytest.raises(InternalError, match="used by others"):
        decisions.decide({}, lambda: facts_of(chat_request()))


def test_what_was_set_is_read_once_whatever_else_changes() -> None:
    state = empty_state()
    fixtures = Fixtures(state)
    state.add("fixture", "", fixture())
    first = matched(fixtures, facts_of(chat_request()))
    state.add("fault", "", {"status": 500})
    state.add("fixture", "", fixture({"userMessage": "x"}))
    second = matched(fixtures, facts_of(chat_request()))
    assert first is not None
    assert second is not None
    assert first.fixture is second.fixture
