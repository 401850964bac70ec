"""Events and what they fold to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.chat_request import ToolCall
from llm_proxy.core.folding import collect
from llm_proxy.core.reply import (
    IDLE,
    Annotations,
    Choice,
    Event,
    Finish,
    Reply,
    TextDelta,
    TextRun,
    ToolCallDelta,
    Usage,
    spoken,
    words,
)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("one", ["one"]),
        ("one two", ["one ", "two"]),
        ("one  two\n\nthree ", ["one  ", "two\n\n", "three "]),
        ("  indented", ["  ", "indented"]),
        (" \n ", [" \n "]),
    ],
)
def test_a_word_carries_the_white_space_behind_it(text: str, pieces: list[str]) -> None:
    assert words(text) == pieces


@given(st.text())
def test_the_words_of_a_text_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text


def test_a_spoken_text_is_its_words_and_one_finish() -> None:
    assert list(spoken("Hello there")) == [TextRun(("Hello ", "there")), Finish()]


def test_collecting_folds_the_pieces_of_each_choice() -> None:
    events: list[Event] = [
        TextDelta("He"),
        IDLE,
        TextDelta("Hi", choice=1),
        ToolCallDelta(0, "call_a", "search", '{"q":'),
        TextDelta("llo"),
        ToolCallDelta(1, "call_b", "stop"),
        ToolCallDelta(0, arguments="1}"),
        Annotations(("1", "22")),
        Finish("tool_calls"),
        Finish("stop", Usage(3, 4), choice=1),
    ]
    calls = (ToolCall("call_a", "search", '{"q":1}'), ToolCall("call_b", "stop", ""))
    assert collect(events) == Reply(
        (
            Choice(
                ("He", "llo"),
                tool_calls=calls,
                citations=("1", "22"),
                reason="tool_calls",
                said_before=(1, 2),
            ),
            Choice(("Hi",)),
        ),
        Usage(3, 4),
    )
