"""One state and several processes: nothing is counted twice, and nothing is lost."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from llm_proxy.sqlite import place
from llm_proxy.sqlite.place import Place
from llm_proxy.sqlite.state import SqliteState
from llm_proxy.state import Charge

PROCESSES = 4
EACH = 100

Result = TypeVar("Result")


def shared(path: str) -> SqliteState:
    return SqliteState(place.database(partial(Place, path, "one start")))


def in_processes(work: Callable[[str], list[Result]], path: Path) -> list[Result]:
    """What the work comes to in several processes at once, each with threads of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        return [one for found in pool.map(work, [str(path)] * PROCESSES) for one in found]


def in_threads(work: Callable[[int], Result]) -> list[Result]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(work, range(EACH)))


def advance(path: str) -> list[int]:
    state = shared(path)

    def next_turn(_: int) -> int:
        while True:
            turn = state.count("a", "turn")
            if state.advance("a", "turn", expected=turn):
                return turn

    return in_threads(next_turn)


def take(path: str) -> list[int]:
    state = shared(path)
    taken = in_threads(lambda _: state.take("fault", "a"))
    return [one.number for one in taken if one is not None]


def spend(path: str) -> list[bool]:
    state = shared(path)
    charge = [Charge("requests", 1, 250)]
    return in_threads(lambda _: state.spend("a", charge, now=0)[0].wait_ms == 0)


def add(path: str) -> list[int]:
    state = shared(path)
    return in_threads(lambda number: state.add("fixture", "a", {"of": number}))


def test_every_turn_of_a_sequence_is_had_by_one(tmp_path: Path) -> None:
    turns = in_processes(advance, tmp_path / "state.sqlite3")
    assert sorted(turns) == list(range(PROCESSES * EACH))


def test_a_fault_strikes_as_often_as_it_should(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    state = shared(str(path))
    first = state.add("fault", "", {}, times=150)
    second = state.add("fault", "a", {}, times=100)
    assert sorted(in_processes(take, path)) == [first] * 150 + [second] * 100
    assert state.scripted("fault") == []


def test_no_more_is_spent_than_there_is(tmp_path: Path) -> None:
    assert in_processes(spend, tmp_path / "state.sqlite3").count(True) == 250


def test_what_processes_set_has_numbers_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    numbers = in_processes(add, path)
    assert sorted(numbers) == [one.number for one in shared(str(path)).scripted("fixture")]
    assert len(set(numbers)) == PROCESSES * EACH


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_process_that_was_forked_opens_a_connection_of_its_own(tmp_path: Path) -> None:
    state = shared(str(tmp_path / "state.sqlite3"))
    state.advance("a", "turn")
    child = os.fork()
    if not child:
        wrong = state.count("a", "turn") != 1 or not state.advance("a", "turn", expected=1)
        os._exit(wrong)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert state.count("a", "turn") == 2
