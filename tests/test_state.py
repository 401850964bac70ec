"""The contract of the shared state, kept in memory and in a file."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from llm_proxy.sqlite import place
from llm_proxy.sqlite.state import SqliteState
from llm_proxy.state import Balance, Charge, Scripted, State
from tests.builders import empty_state


@pytest.fixture(params=["memory", "file"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> State:
    if request.param == "memory":
        return empty_state()
    return SqliteState(place.database(place.whereabouts(str(tmp_path / "state.sqlite3"), {})))


def documents(scripted: Sequence[Scripted]) -> list[object]:
    return [one.document for one in scripted]


def test_what_is_set_is_listed_in_its_order(state: State) -> None:
    first = state.add("fault", "", {"status": 503}, times=2)
    second = state.add("fixture", "a", {"match": {"userMessage": "é"}})
    third = state.add("fault", "b", {"kind": "reset"})
    assert state.scripted("fault") == [
        Scripted(first, "fault", "", {"status": 503}, 2),
        Scripted(third, "fault", "b", {"kind": "reset"}),
    ]
    assert documents(state.scripted("fixture")) == [{"match": {"userMessage": "é"}}]
    assert first < second < third


def test_a_number_is_never_given_twice(state: State) -> None:
    first = state.add("fault", "", {})
    assert state.remove("fault", first)
    state.reset()
    assert state.add("fault", "", {}) > first


def test_what_was_removed_is_gone_and_nothing_else(state: State) -> None:
    kept = state.add("fault", "", {})
    gone = state.add("fault", "", {})
    assert state.remove("fault", gone)
    assert not state.remove("fault", gone)
    assert not state.remove("fixture", kept)
    assert [one.number for one in state.scripted("fault")] == [kept]


def test_the_version_tells_of_every_change_and_of_nothing_else(state: State) -> None:
    seen = [state.version()]
    number = state.add("fault", "", {}, times=2)
    seen.append(state.version())
    state.take("fault", "")
    assert state.version() == seen[-1]
    state.take("fault", "")
    seen.append(state.version())
    state.remove("fault", number)
    state.advance("", "turn")
    state.spend("", [Charge("requests", 1, 60)], now=0)
    assert state.version() == seen[-1]
    state.reset("a")
    seen.append(state.version())
    assert len(set(seen)) == len(seen)


def test_the_first_thing_that_holds_is_taken_until_it_is_used_up(state: State) -> None:
    state.add("fault", "b", {"of": "b"})
    state.add("fault", "", {"of": "all"}, times=1)
    state.add("fault", "a", {"of": "a"}, times=2)
    state.add("fault", "", {"of": "all, too"})
    taken = [state.take("fault", "a") for _ in range(5)]
    assert documents([one for one in taken if one]) == [
        {"of": "all"},
        {"of": "a"},
        {"of": "a"},
        {"of": "all, too"},
        {"of": "all, too"},
    ]
    assert [one.times for one in taken if one] == [1, 2, 1, None, None]


def test_nothing_is_taken_where_nothing_holds(state: State) -> None:
    state.add("fault", "a", {})
    state.add("pacing", "", {})
    assert state.take("fault", "") is None
    assert state.take("fault", "b") is None


def test_counters_are_of_one_namespace_each(state: State) -> None:
    assert state.count("a", "turn") == 0
    assert state.advance("a", "turn")
    assert state.advance("a", "turn", expected=1)
    assert not state.advance("a", "turn", expected=1)
    assert not state.advance("b", "turn", expected=2)
    assert state.advance("b", "turn", expected=0)
    assert (state.count("a", "turn"), state.count("b", "turn"), state.count("", "turn")) == (
        2,
        1,
        0,
    )


def test_a_limit_is_spent_and_fills_up_steadily(state: State) -> None:
    once = [Charge("requests", 1, 2)]
    assert state.spend("a", once, now=100) == [Balance(1, 0)]
    assert state.spend("a", once, now=100) == [Balance(0, 0)]
    assert state.spend("a", once, now=115) == [Balance(0.5, 15_000)]
    assert state.spend("b", once, now=115) == [Balance(1, 0)]
    assert state.spend("a", once, now=130) == [Balance(0, 0)]
    assert state.spend("a", once, now=10_000) == [Balance(1, 0)]


def test_of_several_limits_all_are_charged_or_none(state: State) -> None:
    def ask(tokens: int, now: float) -> Sequence[Balance]:
        return state.spend("", [Charge("requests", 1, 60), Charge("tokens", tokens, 600)], now)

    assert ask(500, now=0) == [Balance(59, 0), Balance(100, 0)]
    assert ask(200, now=0) == [Balance(59, 0), Balance(100, 10_000)]
    assert ask(100, now=0) == [Balance(58, 0), Balance(0, 0)]


@pytest.mark.parametrize("per_minute", [1, 7, 60, 999, 77_777, 10**9])
def test_whoever_waits_as_long_as_told_gets_what_was_asked_for(
    state: State, per_minute: int
) -> None:
    charge = [Charge("tokens", -(-per_minute // 3), per_minute)]
    now = 1_700_000_000.123456
    for _ in range(20):
        (balance,) = state.spend("", charge, now)
        if balance.wait_ms:
            earlier = now + (balance.wait_ms - 1) / 1000
            assert state.spend("", charge, earlier)[0].wait_ms in (1, 2)
            now += balance.wait_ms / 1000 + 1e-6  # more than what Unix time is rounded by
            assert state.spend("", charge, now)[0].wait_ms == 0


def test_a_clock_that_is_set_back_does_not_stop_the_filling(state: State) -> None:
    charge = [Charge("requests", 60, 60)]
    state.spend("", charge, now=10_000)
    assert state.spend("", charge, now=9_999.9) == [Balance(0, 60_000)]
    assert state.spend("", charge, now=5_000) == [Balance(0, 60_000)]
    assert state.spend("", charge, now=5_060) == [Balance(0, 0)]


def test_a_reset_of_one_namespace_forgets_what_was_set_and_counted_there(state: State) -> None:
    for namespace in ("", "a", "b"):
        state.add("fixture", namespace, {"of": namespace})
        state.advance(namespace, "turn")
        state.spend(namespace, [Charge("requests", 1, 2)], now=0)
    state.reset("a")
    assert documents(state.scripted("fixture")) == [{"of": ""}, {"of": "b"}]
    assert [state.count(namespace, "turn") for namespace in ("", "a", "b")] == [1, 0, 1]
    left = [state.spend(n, [Charge("requests", 1, 2)], now=0)[0].left for n in ("", "a", "b")]
    assert left == [0, 1, 0]


def test_a_reset_of_all_forgets_everything(state: State) -> None:
    for namespace in ("", "a"):
        state.add("pacing", namespace, {})
        state.advance(namespace, "turn")
    state.reset()
    assert state.scripted("pacing") == []
    assert [state.count(namespace, "turn") for namespace in ("", "a")] == [0, 0]
