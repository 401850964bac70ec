"""Turns: one thread works at a time, unless it waits, and nobody is held up by one that does."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from llm_proxy.work.turns import AT_MOST_SECONDS, Turns, pass_on

PATIENCE_SECONDS = 20.0


class Work:
    """Something to do that says when it has begun, and goes on when it is told to."""

    def __init__(self, waits: bool = False) -> None:
        self.begun = threading.Event()
        self.told = threading.Event()
        self.thread: threading.Thread | None = None
        self._waits = waits

    def __call__(self) -> "Work":
        self.thread = threading.current_thread()
        if self._waits:
            pass_on()
        self.begun.set()
        assert self.told.wait(PATIENCE_SECONDS)
        return self


class Moments:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def moments() -> Moments:
    return Moments()


@pytest.fixture
def works() -> Iterator[Callable[..., Work]]:
    """Makes work, all of which ends with the test."""
    made: list[Work] = []

    def make(waits: bool = False) -> Work:
        made.append(Work(waits))
        return made[-1]

    yield make
    for work in made:
        work.told.set()


def results(*futures: "Future[Any]") -> list[Any]:
    return [future.result(PATIENCE_SECONDS) for future in futures]


def test_one_works_at_a_time_in_the_order_in_which_they_came(works: Callable[..., Work]) -> None:
    turns = Turns(8)
    first, second, third = works(), works(), works()
    futures = [turns.submit(work) for work in (first, second, third)]
    assert first.begun.wait(PATIENCE_SECONDS)
    assert not second.begun.is_set()
    assert turns.waiting
    first.told.set()
    assert second.begun.wait(PATIENCE_SECONDS)
    assert not third.begun.is_set()
    second.told.set()
    third.told.set()
    assert results(*futures) == [first, second, third]
    assert not turns.waiting
    assert first.thread is second.thread is third.thread


def test_who_waits_for_something_lets_the_next_one_begin(works: Callable[..., Work]) -> None:
    turns = Turns(8)
    waiter, second, third = works(waits=True), works(), works()
    futures = [turns.submit(work) for work in (waiter, second, third)]
    assert second.begun.wait(PATIENCE_SECONDS)
    assert waiter.begun.wait(PATIENCE_SECONDS)
    assert waiter.thread is not second.thread
    waiter.told.set()
    assert results(futures[0]) == [waiter]
    assert not third.begun.is_set()  # it is the turn of the second one, whoever else has ended
    second.told.set()
    third.told.set()
    assert results(*futures) == [waiter, second, third]


def test_who_works_too_long_holds_nobody_up(works: Callable[..., Work], moments: Moments) -> None:
    turns = Turns(8, moments)
    slow, second, third = works(), works(), works()
    futures = [turns.submit(work) for work in (slow, second, third)]
    assert slow.begun.wait(PATIENCE_SECONDS)
    assert turns.look()
    assert not second.begun.wait(0)
    moments.now += AT_MOST_SECONDS
    turns.look()
    assert second.begun.wait(PATIENCE_SECONDS)
    turns.look()
    assert not third.begun.is_set()  # the second one has only just begun
    slow.told.set()
    second.told.set()
    third.told.set()
    assert results(*futures) == [slow, second, third]
    assert not turns.look()


def test_no_more_than_so_many_work_whoever_waits(works: Callable[..., Work]) -> None:
    turns = Turns(2)
    waiters = [works(waits=True), works(waits=True)]
    third = works()
    futures = [turns.submit(work) for work in (*waiters, third)]
    for waiter in waiters:
        assert waiter.begun.wait(PATIENCE_SECONDS)
    assert not third.begun.is_set()
    waiters[1].told.set()
    assert third.begun.wait(PATIENCE_SECONDS)
    waiters[0].told.set()
    third.told.set()
    assert results(*futures) == [*waiters, third]


def test_what_work_raises_is_told_and_ends_nobody_elses_turn() -> None:
    turns = Turns(1)

    def failing() -> None:
        raise SystemExit("over")

    with pytest.raises(SystemExit, match="over"):
        turns.submit(failing).result(PATIENCE_SECONDS)
    assert turns.submit(lambda: 5).result(PATIENCE_SECONDS) == 5


def test_what_was_cancelled_before_its_turn_is_not_done(works: Callable[..., Work]) -> None:
    turns = Turns(1)
    first, second = works(), works()
    future, cancelled = turns.submit(first), turns.submit(second)
    assert cancelled.cancel()
    first.told.set()
    assert results(future, turns.submit(lambda: 5)) == [first, 5]
    assert not second.begun.is_set()


def test_nothing_begins_any_more_after_the_end(works: Callable[..., Work]) -> None:
    turns = Turns(8)
    first, second = works(), works()
    future, cancelled = turns.submit(first), turns.submit(second)
    assert first.begun.wait(PATIENCE_SECONDS)
    turns.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError):
        turns.submit(works())
    first.told.set()
    assert results(future) == [first]
    assert cancelled.cancelled()


def test_a_thread_that_takes_no_turns_passes_none_on() -> None:
    pass_on()


def test_all_of_much_work_is_done() -> None:
    turns = Turns(4)
    done: list[int] = []

    def work(number: int) -> int:
        if number % 3 == 0:
            pass_on()
        done.append(number)
        return number

    futures = [turns.submit(work, number) for number in range(2000)]
    assert results(*futures) == list(range(2000))
    assert sorted(done) == list(range(2000))


def test_where_no_thread_can_be_made_those_that_are_there_go_on(
    works: Callable[..., Work], moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(8, moments)
    passes, waiter, second = threading.Event(), works(waits=True), works()

    def work() -> Work:
        assert passes.wait(PATIENCE_SECONDS)
        return waiter()

    futures = [turns.submit(work), turns.submit(second)]
    with monkeypatch.context() as patched:

        def full(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patched.setattr(threading.Thread, "start", full)
        passes.set()
        assert waiter.begun.wait(PATIENCE_SECONDS)
        assert not second.begun.is_set()
    moments.now += AT_MOST_SECONDS
    turns.look()
    assert second.begun.wait(PATIENCE_SECONDS)  # as soon as one can be made again
    waiter.told.set()
    second.told.set()
    assert results(*futures) == [waiter, second]


def test_where_not_even_one_thread_can_be_made_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(8)
    with monkeypatch.context() as patched:

        def full(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patched.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError, match="new thread"):
            turns.submit(lambda: 5)
