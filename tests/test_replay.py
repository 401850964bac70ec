"""Replay: a reply in the pieces and with the timing with which it was recorded."""

from itertools import islice

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.folding import collect
from llm_proxy.core.reply import (
    Event,
    Finish,
    Pause,
    ReasoningDelta,
    Stamped,
    TextDelta,
    ToolCallDelta,
    WireFault,
)
from llm_proxy.mock.replay import RecordedTimings, timed
from tests.builders import stream_of

TIMINGS = RecordedTimings(ttft_ms=500, intervals_ms=(20, 0, 40), chunk_lengths=(3, 4, 0, 2))
SIGNED = Stamped("fixture")
EVENTS: list[Event] = [
    SIGNED,
    ReasoningDelta("hmm"),
    TextDelta("a "),
    TextDelta("bc"),
    ToolCallDelta(0, "call_1", "f", "{}"),
    Finish("tool_calls"),
]


def played(
    events: list[Event], timings: RecordedTimings = TIMINGS, speed: float = 1
) -> list[Event]:
    return list(timed(stream_of(events), timings, speed))


def test_a_reply_comes_in_its_chunks_and_each_in_its_time() -> None:
    assert played(EVENTS) == [
        SIGNED,
        Pause(0.5),
        ReasoningDelta("hmm"),
        Pause(0.02),
        TextDelta("a bc"),
        ToolCallDelta(0, "call_1", "f", ""),
        Pause(0.04),
        ToolCallDelta(0, None, None, "{}"),
        Finish("tool_calls"),
    ]


@pytest.mark.parametrize(("speed", "pauses"), [(2, [0.25, 0.01, 0.02]), (0.5, [1, 0.04, 0.08])])
def test_the_speed_scales_every_pause(speed: float, pauses: list[float]) -> None:
    assert [e.seconds for e in played(EVENTS, speed=speed) if isinstance(e, Pause)] == pauses


def test_at_speed_0_the_chunks_are_the_same_without_the_pauses() -> None:
    assert played(EVENTS, speed=0) == [e for e in played(EVENTS) if not isinstance(e, Pause)]


def test_without_lengths_a_reply_keeps_its_pieces() -> None:
    timings = RecordedTimings(ttft_ms=1000)
    assert played([TextDelta("a "), TextDelta("b"), Finish()], timings) == [
        Pause(1),
        TextDelta("a "),
        TextDelta("b"),
        Finish(),
    ]


def test_a_text_that_was_edited_is_told_whole() -> None:
    timings = RecordedTimings(chunk_lengths=(1, 2))
    assert played([TextDelta("abcdef"), Finish()], timings)[:-1] == [
        TextDelta("a"),
        TextDelta("bc"),
        TextDelta("def"),
    ]
    assert played([TextDelta("ab"), Finish()], timings)[:-1] == [TextDelta("a"), TextDelta("b")]


def test_an_empty_reply_takes_its_time_too() -> None:
    assert played([Finish()]) == [Pause(0.5), Finish()]


def test_a_fault_stays_the_first_event() -> None:
    fault = WireFault("reset")
    assert played([fault, SIGNED, TextDelta("abc"), Finish()])[:3] == [
        fault,
        SIGNED,
        Pause(0.5),
    ]


def test_what_is_replayed_is_closed_with_its_wrapper() -> None:
    events = stream_of([TextDelta("a"), Finish()])
    wrapper = timed(events, TIMINGS, 1)
    next(wrapper)
    wrapper.close()
    assert events.gi_frame is None  # type: ignore[attr-defined]


def test_timings_are_read_as_ours_and_as_those_of_aimock() -> None:
    """Chunks beyond the intervals, as aimock cuts them, take their mean."""
    theirs = {"ttftMs": 5, "interChunkDelaysMs": [1, 2], "totalDurationMs": 8}
    ours = {"ttftMs": 5, "intervalsMs": [1, 2], "chunkLengths": [1, 0, 3]}
    for written in (theirs, ours):
        waits = msgspec.convert(written, RecordedTimings).waits_ms()
        assert list(islice(waits, 5)) == [5, 1, 2, 1.5, 1.5]


@pytest.mark.parametrize(
    "wrong", [{"ttftMs": -1}, {"chunkLengths": [-1]}, {"intervalsMs": ["1"]}, {"ttft": 1}]
)
def test_wrong_timings_are_refused(wrong: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, RecordedTimings)


pieces = st.one_of(
    st.builds(TextDelta, st.text("ab\né", min_size=1)),
    st.builds(ReasoningDelta, st.text("ab", min_size=1)),
    st.builds(ToolCallDelta, st.integers(0, 1), st.just("c"), st.just("f"), st.text("ab")),
)


@given(st.lists(pieces, max_size=6), st.lists(st.integers(0, 5), max_size=8))
def test_whatever_the_lengths_the_reply_is_the_same(
    events: list[Event], lengths: list[int]
) -> None:
    timings = RecordedTimings(chunk_lengths=tuple(lengths))
    again = collect(played([*events, Finish()], timings))
    before = collect([*events, Finish()])
    for choice, original in zip(again.choices, before.choices, strict=True):
        assert choice.text == original.text
        assert choice.reasoning == original.reasoning
        assert choice.tool_calls == original.tool_calls
