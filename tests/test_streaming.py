"""From events to the wire: pauses, silence, failures and clients that leave."""

import errno
import logging
from collections.abc import Iterable

import pytest

from llm_proxy.core.reply import IDLE, Event, Finish, Pause, TextDelta, Usage, WireFault
from llm_proxy.errors import (
    ConnectionCut,
    FaultNotPossible,
    UpstreamError,
)
from llm_proxy.openai_api import sse
from llm_proxy.shell.pauses import WAITING, lived
from tests.builders import stream_of
from tests.streams import FakeClock, Told, drained, stream, timed

FINISH = Finish("stop", Usage(1, 2))


def test_pauses_are_lived_through_in_order() -> None:
    clock = FakeClock()
    events: list[Event] = [TextDelta("a"), Pause(2), TextDelta("b"), Pause(3), FINISH]
    assert timed(stream_of(events), clock) == [
        (0, TextDelta("a")),
        (2, TextDelta("b")),
        (5, FINISH),
    ]


def test_time_lost_on_the_way_does_not_delay_what_follows() -> None:
    clock = FakeClock()
    seen = []
    for event in lived(stream_of([Pause(1), TextDelta("a"), Pause(1), TextDelta("b")]), clock):
        if event is not WAITING:
            seen.append((clock.now(), event))
            clock.time += 0.4
    assert seen == [(1, TextDelta("a")), (2, TextDelta("b"))]


def test_a_source_that_had_nothing_starts_the_schedule_anew() -> None:
    clock = FakeClock()

    def slow() -> Iterable[Event]:
        yield TextDelta("a")
        clock.time += 10
        yield IDLE
        yield Pause(1)
        yield TextDelta("b")

    assert timed(stream_of(slow()), clock) == [
        (0, TextDelta("a")),
        (11, TextDelta("b")),
    ]


def test_silence_is_bridged_by_keep_alive_comments() -> None:
    events: list[Event | Exception] = [TextDelta("a"), Pause(25), TextDelta("b"), Pause(9), FINISH]
    assert drained(stream(events, Told(), FakeClock(), silence_seconds=10)) == [
        b"a",
        sse.KEEP_ALIVE,
        sse.KEEP_ALIVE,
        b"b",
        b"end",
    ]


def test_a_source_that_blocks_gets_keep_alive_comments_between_its_turns() -> None:
    clock = FakeClock()

    def silent() -> Iterable[Event]:
        for _ in range(5):
            clock.time += 4
            yield IDLE
        yield FINISH

    assert drained(stream(silent(), Told(), clock, silence_seconds=10)) == [
        sse.KEEP_ALIVE,
        b"end",
    ]


def test_not_even_a_comment_is_sent_in_a_pause_that_is_silent() -> None:
    events: list[Event | Exception] = [Pause(25, silent=True), TextDelta("a"), Pause(9), FINISH]
    assert drained(stream(events, Told(), FakeClock(), silence_seconds=10)) == [b"a", b"end"]


def test_an_error_behind_a_pause_that_is_silent_is_still_raised() -> None:
    clock = FakeClock()
    reply = stream([Pause(25, silent=True), UpstreamError("down")], Told(), clock, 10)
    with pytest.raises(UpstreamError):
        reply.look_ahead()
    assert clock.now() == 25


def test_zero_seconds_mean_no_keep_alive_comments() -> None:
    events: list[Event | Exception] = [Pause(1000), TextDelta("a"), FINISH]
    assert drained(stream(events, Told(), FakeClock())) == [b"a", b"end"]


def test_a_failure_before_the_first_event_is_raised() -> None:
    reply = stream([Pause(1), UpstreamError("down")], Told(), FakeClock(), silence_seconds=10)
    with pytest.raises(UpstreamError):
        reply.look_ahead()


def test_looking_ahead_ends_with_the_first_keep_alive() -> None:
    told = Told()
    reply = stream([Pause(11), UpstreamError("down")], told, FakeClock(), silence_seconds=10)
    assert drained(reply) == [sse.KEEP_ALIVE, b"failed: down"]
    assert [exchange.outcome for exchange in told] == ["upstream failed"]


def test_a_stream_that_ends_well_is_told_with_its_usage_and_size() -> None:
    told = Told()
    drained(stream([TextDelta("four"), FINISH], told, FakeClock()))
    assert [(e.outcome, e.usage, e.size) for e in told] == [("done", Usage(1, 2), len(b"fourend"))]


def test_a_failure_in_the_middle_keeps_what_came_and_adds_one_error() -> None:
    told = Told()
    chunks = drained(stream([TextDelta("a"), UpstreamError("down")], told, FakeClock()))
    assert chunks == [b"a", b"failed: down"]
    assert [exchange.outcome for exchange in told] == ["upstream failed"]


def test_a_crash_in_the_middle_tells_the_request_id_and_logs_the_cause(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("llm_proxy"), "propagate", True)
    told = Told()
    chunks = drained(stream([TextDelta("a"), ZeroDivisionError("oops")], told, FakeClock()))
    request_id = told[0].id
    assert chunks == [
        b"a",
        f"failed: The reply broke off. The request id is {request_id}.".encode(),
    ]
    assert [exchange.outcome for exchange in told] == ["failed"]
    assert request_id in caplog.text
    assert "ZeroDivisionError: oops" in caplog.text


def test_a_client_that_leaves_during_a_pause_ends_the_stream() -> None:
    told = Told()
    reply = stream([TextDelta("a"), Pause(9), FINISH], told, FakeClock(leaves_at=5))
    assert drained(reply) == [b"a"]
    assert [exchange.outcome for exchange in told] == ["client gone"]


@pytest.mark.parametrize("taken", [0, 1])
def test_closing_a_stream_early_closes_its_source_and_tells_once(taken: int) -> None:
    told, closed = Told(), []

    def watched() -> Iterable[Event]:
        try:
            yield TextDelta("a")
            yield TextDelta("b")
        finally:
            closed.append(True)

    reply = stream(watched(), told, FakeClock())
    reply.look_ahead()
    for _, _ in zip(range(taken), reply, strict=False):
        pass
    reply.close()
    reply.close()
    assert closed == [True]
    assert [exchange.outcome for exchange in told] == ["client gone"]


@pytest.mark.parametrize("sees_client", [False, True])
@pytest.mark.parametrize(
    ("end", "outcome"), [(FINISH, "done"), (UpstreamError("down"), "upstream failed")]
)
def test_who_closes_behind_the_last_piece_had_it_if_no_connection_can_have_failed(
    end: Event | Exception, outcome: str, sees_client: bool
) -> None:
    """As the SDK does behind [DONE], where the application is in its own process."""
    told, clock = Told(), FakeClock()
    clock.sees_client = sees_client
    reply = stream([TextDelta("a"), end], told, clock)
    reply.look_ahead()
    pieces = iter(reply)
    assert next(pieces) == b"a"
    assert next(pieces).startswith((b"end", b"failed"))
    reply.close()
    assert [exchange.outcome for exchange in told] == ["client gone" if sees_client else outcome]


EVENT = "data: {}\n\n"
FAULTY: list[tuple[list[Event | Exception], list[bytes], str]] = [
    ([WireFault("truncate", 1), TextDelta(EVENT * 2), FINISH], [EVENT.encode()], "scripted"),
    ([WireFault("truncate", 2), TextDelta(EVENT * 2), FINISH], [EVENT.encode()] * 2, "done"),
    (
        [WireFault("no_space"), TextDelta(EVENT), FINISH],
        [b"data:{}\n\n"],
        "scripted",
    ),
    (
        [WireFault("stall"), TextDelta(EVENT), FINISH],
        [],
        "scripted",
    ),
    (
        [WireFault("no_space"), TextDelta(EVENT), Pause(1000), FINISH],
        [b"data:{}\n\n"],
        "client gone",
    ),
    (
        [WireFault("no_space"), TextDelta(EVENT), UpstreamError("down")],
        [b"data:{}\n\n"],
        "upstream failed",
    ),
]


@pytest.mark.parametrize(("events", "chunks", "outcome"), FAULTY)
def test_a_fault_is_told_of_unless_something_else_went_wrong(
    events: list[Event | Exception], chunks: list[bytes], outcome: str
) -> None:
    told = Told()
    assert drained(stream(events, told, FakeClock(leaves_at=100))) == chunks
    assert [exchange.outcome for exchange in told] == [outcome]


def test_what_a_fault_kept_from_the_client_was_not_said() -> None:
    told = Told()
    events: list[Event | Exception] = [WireFault("truncate", 2), *[TextDelta(EVENT)] * 4, FINISH]
    assert len(drained(stream(events, told, FakeClock()))) == 2
    assert len(told[0].course.moments) == 2


@pytest.mark.parametrize(
    "events",
    [
        [WireFault("disconnect", 1), TextDelta(EVENT), TextDelta(EVENT), FINISH],
        [TextDelta(EVENT), Pause(1), WireFault("disconnect"), FINISH],
    ],
)
def test_a_cut_gets_through_to_the_server_and_is_told_of(
    events: list[Event | Exception],
) -> None:
    told = Told()
    reply = stream(events, told, FakeClock())
    reply.look_ahead()
    with pytest.raises(ConnectionCut) as cut:
        list(reply)
    reply.close()
    assert cut.value.errno == errno.EPIPE  # by which gunicorn knows it from an error of ours
    assert [(exchange.outcome, exchange.size) for exchange in told] == [("scripted", len(EVENT))]


@pytest.mark.parametrize(
    "fault", [WireFault("reset"), WireFault("stall")], ids=lambda fault: fault.kind
)
def test_a_fault_that_the_server_cannot_make_is_refused(fault: WireFault) -> None:
    clock = FakeClock()
    clock.sees_client = False
    with pytest.raises(FaultNotPossible):
        stream([fault, TextDelta("a"), FINISH], Told(), clock).look_ahead()


def test_a_stall_that_ends_by_itself_is_possible_everywhere() -> None:
    clock = FakeClock()
    clock.sees_client = False
    events: list[Event | Exception] = [WireFault("stall", 0, 5), TextDelta(EVENT), FINISH]
    assert drained(stream(events, Told(), clock)) == [EVENT.encode()]
    assert clock.now() == 5
