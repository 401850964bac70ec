"""Trouble in the events of a reply: delays, errors, faults in what is said, and cuts."""

from collections.abc import Iterator, Sequence

import pytest

from llm_proxy.core.folding import collect
from llm_proxy.core.reply import (
    Annotations,
    Event,
    Events,
    Finish,
    Pause,
    ReasoningDelta,
    Stamped,
    TextDelta,
    ToolCallDelta,
    WireFault,
)
from llm_proxy.errors import ScriptedError
from llm_proxy.mock.faults import Spoken, SpokenKind, Trouble
from llm_proxy.mock.faults.scripted import scripted_error
from llm_proxy.mock.faults.wrapper import troubled
from tests.builders import stream_of

WORDS: tuple[Event, ...] = (Stamped("x"), TextDelta("a "), Pause(1), TextDelta("b"), Finish())
CALLS: tuple[Event, ...] = (
    ToolCallDelta(0, "call_1", "search"),
    ToolCallDelta(0, arguments='{"q":'),
    Pause(1),
    ToolCallDelta(0, arguments='"x"}'),
    ToolCallDelta(1, "call_2", "stop", "{}"),
    Finish("tool_calls"),
)
ERROR = scripted_error(503)


def happened(
    events: Sequence[Event], trouble: Trouble, offered: Sequence[str] = ()
) -> list[Event | ScriptedError]:
    """The events, and the error that ends them."""

    def outcome() -> Iterator[Event | ScriptedError]:
        try:
            yield from troubled(stream_of(events), trouble, offered)
        except ScriptedError as error:
            yield error

    return list(outcome())


def spoken(kind: SpokenKind, after: int = 0) -> Trouble:
    return Trouble(spoken=Spoken(kind, after), error=ERROR if kind == "error_event" else None)


def test_no_trouble_leaves_a_reply_as_it_is() -> None:
    assert happened(WORDS, Trouble()) == list(WORDS)


def test_a_fault_of_the_wire_comes_first_and_the_delay_is_silent() -> None:
    trouble = Trouble(delay_seconds=2, wire=WireFault("reset"))
    assert happened(WORDS, trouble) == [WireFault("reset"), Pause(2, silent=True), *WORDS]


def test_an_error_comes_after_the_delay_and_in_place_of_the_reply() -> None:
    trouble = Trouble(delay_seconds=2, error=ERROR)
    assert happened(WORDS, trouble) == [Pause(2, silent=True), ERROR]


def test_the_source_is_closed_when_an_error_takes_its_place() -> None:
    closed = []

    def source() -> Events:
        try:
            yield from stream_of(WORDS)
        finally:
            closed.append(True)

    events = source()
    next(events)
    with pytest.raises(ScriptedError):
        list(troubled(events, Trouble(error=ERROR)))
    assert closed == [True]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (0, [Stamped("x"), Annotations(()), ERROR]),
        (1, [Stamped("x"), TextDelta("a "), Pause(1), Annotations(()), ERROR]),
        (2, [*WORDS[:-1], Annotations(()), ERROR]),
        (3, list(WORDS)),
    ],
)
def test_an_error_event_follows_so_many_pieces_of_the_answer(
    after: int, expected: list[Event | ScriptedError]
) -> None:
    assert happened(WORDS, spoken("error_event", after)) == expected


def test_thoughts_and_calls_are_pieces_of_the_answer_too() -> None:
    events = (ReasoningDelta("hm"), *CALLS)
    assert happened(events, spoken("error_event", 2)) == [*events[:2], Annotations(()), ERROR]


def test_the_arguments_of_the_first_call_lose_their_end() -> None:
    bad = collect(troubled(stream_of(CALLS), spoken("bad_tool_arguments")))
    assert [call.arguments for call in bad.choices[0].tool_calls] == ['{"q":"x"', "{}"]


def test_the_first_call_of_every_choice_loses_its_end() -> None:
    events = [
        event
        for choice in (0, 1)
        for event in (
            ToolCallDelta(0, "call_1", "search", "{}", choice=choice),
            Finish("tool_calls", None, choice),
        )
    ]
    bad = collect(troubled(stream_of(events), spoken("bad_tool_arguments")))
    assert [choice.tool_calls[0].arguments for choice in bad.choices] == ["{", "{"]


@pytest.mark.parametrize(
    ("offered", "name"),
    [(["search"], "unknown_tool"), (["unknown_tool", "unknown_tool_"], "unknown_tool__")],
)
def test_the_first_call_names_a_tool_that_was_not_offered(offered: list[str], name: str) -> None:
    trouble = spoken("unknown_tool")
    assert happened(CALLS, trouble, offered) == [
        ToolCallDelta(0, "call_1", name),
        *CALLS[1:],
    ]


@pytest.mark.parametrize("kind", ["bad_tool_arguments", "unknown_tool"])
def test_an_answer_in_words_has_no_call_to_spoil(kind: SpokenKind) -> None:
    assert happened(WORDS, spoken(kind)) == list(WORDS)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, [Pause(0), WireFault("disconnect"), TextDelta("a"), TextDelta("b"), Finish()]),
        (1.0, [TextDelta("a"), Pause(1), WireFault("disconnect"), TextDelta("b"), Finish()]),
        (
            3.0,
            [TextDelta("a"), Pause(2), TextDelta("b"), Pause(1), WireFault("disconnect"), Finish()],
        ),
        (5.0, [TextDelta("a"), Pause(2), TextDelta("b"), Pause(2), Finish()]),
    ],
)
def test_the_connection_ends_when_the_pauses_have_taken_so_long(
    seconds: float, expected: list[Event]
) -> None:
    events: list[Event] = [TextDelta("a"), Pause(2), TextDelta("b"), Pause(2), Finish()]
    assert happened(events, Trouble(cut_after_seconds=seconds)) == expected
