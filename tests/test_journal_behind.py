"""Writing behind, on its own: what is gathered, dropped, amended, thinned and forgotten."""

import sqlite3
import threading
from typing import Any

import pytest

from llm_proxy.core.reply import (
    Event,
    Finish,
    ReasoningDelta,
    Said,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.journal import timeline
from llm_proxy.journal.entry import Wanted
from llm_proxy.journal.progress import Progress
from llm_proxy.records.exchange import Exchange
from llm_proxy.records.logs import Redactor
from llm_proxy.records.trace import Trace
from llm_proxy.sqlite import place
from llm_proxy.sqlite.journal import SqliteJournal
from llm_proxy.work import behind
from llm_proxy.work.behind import Behind
from tests.builders import course_of


def exchange(body: bytes = b"", **fields: Any) -> Exchange:
    return Exchange(
        method="POST",
        path="/v1/x",
        tell=lambda _: None,
        trace=Trace({}),
        request_body=body,
        **fields,
    )


def journal(limit: int = 1000, **more: Any) -> SqliteJournal:
    database = place.database(place.whereabouts("", {}))
    return SqliteJournal(database, limit, Redactor(()), **more)


def test_the_bytes_that_are_kept_are_bounded() -> None:
    kept = journal(max_bytes=64 * 1024)
    asked = [exchange(b'"' + b"x" * 1000 + b'"') for _ in range(300)]
    for number, one in enumerate(asked):
        kept.record(one)
        if number % 10 == 0:
            kept.read(Wanted(limit=1))
    left = [entry.id for entry in kept.read(Wanted())]
    assert 20 < len(left) < 80
    assert left == [one.id for one in reversed(asked)][: len(left)]


def test_the_newest_is_kept_even_if_it_alone_is_too_long() -> None:
    kept = journal(max_bytes=1000)
    short, long = exchange(), exchange(b'"' + b"x" * 2000 + b'"')
    kept.record(short)
    kept.read(Wanted())
    kept.record(long)
    assert [entry.id for entry in kept.read(Wanted())] == [long.id]


def test_an_exchange_that_ends_after_it_was_written_is_amended() -> None:
    kept = journal()
    one = exchange(record=kept.record)
    one.ending("done")
    assert [(entry.outcome, entry.over) for entry in kept.read(Wanted())] == [("done", False)]
    number = kept.latest()
    one.outcome = "client gone"
    one.end()
    assert [(e.outcome, e.over) for e in kept.read(Wanted())] == [("client gone", True)]
    assert [(n, entry.over) for n, entry in kept.since(number, [number])] == [(number, True)]
    assert kept.since(number, []) == []


def test_an_exchange_whose_row_was_lost_is_written_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = journal()
    one = exchange(record=kept.record)
    with monkeypatch.context() as patched:

        def full(*_: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patched.setattr(kept, "_make_room", full)
        one.ending("done")
        assert kept.read(Wanted()) == []
    one.end()
    assert [(entry.id, entry.over) for entry in kept.read(Wanted())] == [(one.id, True)]


@pytest.mark.parametrize(
    "broken",
    [{"usage": Usage(10**30, 0)}, {"origin": "\ud800"}],
    ids=["more tokens than SQLite counts", "what UTF-8 cannot carry"],
)
def test_an_exchange_that_cannot_be_written_takes_no_other_along(
    monkeypatch: pytest.MonkeyPatch, broken: dict[str, Any]
) -> None:
    monkeypatch.setattr(behind, "LINGER_SECONDS", 60.0)
    kept = journal()
    asked = [exchange(record=kept.record), exchange(**broken), exchange(record=kept.record)]
    for one in asked:
        kept.record(one)
    assert [entry.id for entry in kept.read(Wanted())] == [asked[2].id, asked[0].id]


def test_where_there_is_no_thread_to_be_had_the_next_one_that_comes_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []
    waiting = Behind[int](lambda some, _: done.extend(some))
    with monkeypatch.context() as patched:

        def exhausted(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patched.setattr(threading.Thread, "start", exhausted)
        assert waiting.put(1)
    assert waiting.put(2)
    waiting.settle()
    assert done == [1, 2]


def test_what_comes_faster_than_it_is_written_is_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(behind, "MAX_WAITING", 3)
    writing, go_on = threading.Event(), threading.Event()
    written: list[tuple[int, int]] = []

    def write(batch: list[Exchange], dropped: int) -> None:
        written.append((len(batch), dropped))
        writing.set()
        assert go_on.wait(30)

    queue = Behind(write)
    queue.put(exchange())
    assert writing.wait(30)
    for _ in range(5):  # returns at once, though the writer hangs
        queue.put(exchange())
    go_on.set()
    queue.settle()
    assert written == [(1, 0), (3, 2)]


def test_requests_that_wait_take_only_so_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "MAX_WAITING_BYTES", 100)
    written: list[int] = []
    queue: Behind[bytes] = Behind(lambda _, dropped: written.append(dropped))
    for _ in range(3):
        queue.put(b"", 45)
    queue.settle()
    assert sum(written) == 1


@pytest.mark.parametrize("in_two_steps", [False, True])
def test_dropped_exchanges_are_told_of_once(
    monkeypatch: pytest.MonkeyPatch, in_two_steps: bool
) -> None:
    monkeypatch.setattr(behind, "MAX_WAITING_BYTES", 1000)
    kept = journal()
    dropped = exchange(b'"' + b"x" * 2000 + b'"', record=kept.record)
    if in_two_steps:
        dropped.ending("done")
    dropped.end()
    kept.record(exchange())
    assert len(kept.read(Wanted())) == 1
    assert kept.dropped() == 1


def test_what_could_not_be_written_counts_as_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> range:
        raise sqlite3.OperationalError("database or disk is full")

    kept = journal()
    with monkeypatch.context() as patched:
        patched.setattr("llm_proxy.sqlite.exchanges.insert", full)
        for _ in range(2):
            exchange(record=kept.record).end()
        exchange(record=kept.record).ending("done")  # and goes on: it may yet be written
        assert kept.read(Wanted()) == []
        assert kept.dropped() == 2
    exchange(record=kept.record).end()
    assert len(kept.read(Wanted())) == 1
    assert kept.dropped() == 2


def test_one_that_is_turned_away_and_kept_when_it_ends_is_not_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = journal()
    one = exchange(b'"' + b"x" * 2000 + b'"', record=kept.record)
    with monkeypatch.context() as patched:
        patched.setattr(behind, "MAX_WAITING_BYTES", 1000)
        one.ending("done")
    one.end()
    assert [entry.id for entry in kept.read(Wanted())] == [one.id]
    assert kept.dropped() == 0


def test_of_large_bodies_that_come_together_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "LINGER_SECONDS", 60.0)
    kept = journal()
    body = b"x" * (behind.MAX_WAITING_BYTES + 1)
    asked = [exchange(body, record=kept.record) for _ in range(4)]
    for one in asked:
        one.ending("done")
    for one in asked[:2]:
        one.end()
    assert [entry.id for entry in kept.read(Wanted())] == [one.id for one in reversed(asked)]
    assert kept.dropped() == 0


def test_a_writer_that_fails_does_not_hold_up_its_readers() -> None:
    def write(_: list[Exchange], __: int) -> None:
        raise OSError("no space left on device")

    queue = Behind(write)
    queue.put(exchange())
    queue.settle()


def test_progress_is_waited_for_and_the_dead_are_not() -> None:
    progress = Progress()
    seven, eight = progress.of(7), progress.of(8)
    assert progress.settle(0)
    seven.take(3)
    assert not progress.settle(0.01)
    seven.write(3)
    assert progress.settle(0)
    eight.take(1)
    assert not eight.is_hurried()
    assert not progress.settle(0.01)
    assert eight.is_hurried()
    assert not eight.is_hurried()
    progress.clear(8)
    assert progress.settle(0)


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ([TextDelta("one "), TextDelta("two"), Finish()], "text 4, text 3, finish 0"),
        ([TextDelta("one")], "text 3"),
        ([ReasoningDelta("so"), TextDelta("x", 1)], "reasoning 2, text 1"),
        ([ToolCallDelta(0, "a", "b", "{}"), Finish()], "tool 2, finish 0"),
        ([], ""),
    ],
)
def test_a_time_line_is_read_as_it_was_kept(events: list[Said], line: str) -> None:
    course = course_of(events, lambda number: 10.0 + number / 4)
    read = timeline.read(timeline.kept(course.so_far(), 10.0))
    assert [one.ms for one in read] == [number * 250.0 for number in range(len(events))]
    assert [one.kind for one in read] == [word.split()[0] for word in line.split(", ") if word]


def test_a_long_time_line_of_two_choices_that_take_turns_keeps_both() -> None:
    events: list[Any] = [TextDelta("ab", number % 2) for number in range(9_998)]
    line = timeline.read(
        timeline.kept(course_of([*events, Finish(), Finish("stop", None, 1)]).so_far(), 0.0)
    )
    assert len(line) <= timeline.MAX_TIMED + 1
    for choice in (0, 1):
        alone = [one for one in line if one.choice == choice]
        assert sum(one.characters for one in alone) == 9_998
        assert alone[-1].kind == "finish"


@pytest.mark.parametrize("more", [[], [ReasoningDelta("x")]])
def test_a_long_time_line_is_thinned_and_loses_no_character(more: list[Event]) -> None:
    events: list[Any] = [*more, *(TextDelta("ab") for _ in range(9_999)), Finish()]
    read = timeline.read(timeline.kept(course_of(events).so_far(), 0.0))
    assert len(read) <= timeline.MAX_TIMED + 1
    assert sum(one.characters for one in read if one.kind == "text") == 2 * 9_999
    assert [one.ms for one in read] == sorted(one.ms for one in read)
    assert (read[0].ms, read[-1].kind) == (0.0, "finish")
