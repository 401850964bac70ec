"""Where a reply ends before it is finished."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.bounds import bounded
from llm_proxy.core.reply import (
    Annotations,
    Event,
    Finish,
    FinishReason,
    Pause,
    ReasoningDelta,
    Stamped,
    TextDelta,
    ToolCallDelta,
    spoken,
)
from llm_proxy.core.tokenizers import Characters, Exact, Tokenizer
from tests.builders import chat_request, stream_of

CHARACTERS = Characters()


def cut(
    pieces: list[str],
    stop: tuple[str, ...] = (),
    max_tokens: int | None = None,
    tokenizer: Tokenizer = CHARACTERS,
) -> tuple[str, str]:
    """The text that is left of `pieces`, and the finish reason."""
    events: list[Event] = [*map(TextDelta, pieces), Finish()]
    request = chat_request(stop=stop, max_tokens=max_tokens)
    *said, finish = bounded(stream_of(events), request, tokenizer)
    assert isinstance(finish, Finish)
    return "".join(one.text for one in said if isinstance(one, TextDelta)), finish.reason


@pytest.mark.parametrize(
    ("pieces", "stop", "text", "reason"),
    [
        (["one ", "two ", "three"], ("two",), "one ", "stop"),
        (["one ", "t", "w", "o"], ("two",), "one ", "stop"),
        (["on", "e t", "wo"], ("e two",), "on", "stop"),
        (["a", "a", "b"], ("ab",), "a", "stop"),
        (["x", "y"], ("z", "y"), "x", "stop"),
        (["abc"], ("bc", "b"), "a", "stop"),
        (["abc"], ("abc",), "", "stop"),
        (["aba"], ("b", "aba"), "a", "stop"),
        (["almost t", "w"], ("two",), "almost tw", "stop"),
        (["nothing"], ("two",), "nothing", "stop"),
    ],
)
def test_a_reply_ends_before_a_stop_sequence(
    pieces: list[str], stop: tuple[str, ...], text: str, reason: str
) -> None:
    assert cut(pieces, stop) == (text, reason)


@pytest.mark.parametrize(
    ("pieces", "max_tokens", "text", "reason"),
    [
        (["12345678"], 1, "1234", "length"),
        (["1234", "5678"], 2, "12345678", "stop"),
        (["1234", "5678", "9"], 2, "12345678", "length"),
        (["1"], 0, "", "length"),
        ([], 0, "", "stop"),
    ],
)
def test_a_reply_ends_when_its_tokens_are_used_up(
    pieces: list[str], max_tokens: int, text: str, reason: str
) -> None:
    assert cut(pieces, max_tokens=max_tokens) == (text, reason)


def test_exact_tokens_are_used_up_exactly() -> None:
    pieces = ["Hello ", "world, ", "this ", "is ", "a ", "test."]
    assert cut(pieces, max_tokens=3, tokenizer=Exact("o200k_base")) == ("Hello world,", "length")
    assert cut(pieces, max_tokens=8, tokenizer=Exact("o200k_base"))[1] == "stop"


def test_what_comes_first_ends_the_reply() -> None:
    assert cut(["12345678 stop"], ("stop",), max_tokens=1) == ("1234", "length")
    assert cut(["12 stop"], ("stop",), max_tokens=100) == ("12 ", "stop")


@given(
    st.lists(st.text("ab ", max_size=4), max_size=6),
    st.lists(st.text("ab ", min_size=1, max_size=3), max_size=2),
)
def test_the_text_is_the_same_however_it_is_cut_into_pieces(
    pieces: list[str], stop: list[str]
) -> None:
    whole = "".join(pieces)
    letters = cut(list(whole), tuple(stop))
    assert cut(pieces, tuple(stop))[0] == letters[0]
    assert all(sequence not in letters[0] for sequence in stop)
    assert whole.startswith(letters[0])


def test_thoughts_and_arguments_use_up_tokens_too() -> None:
    events: list[Event] = [
        ReasoningDelta("1234"),
        ToolCallDelta(0, "call_1", "name", ""),
        ToolCallDelta(0, arguments="1234567"),
        Finish("tool_calls"),
    ]
    assert list(bounded(stream_of(events), chat_request(max_tokens=3), CHARACTERS)) == [
        ReasoningDelta("1234"),
        ToolCallDelta(0, "call_1", "name", ""),
        ToolCallDelta(0, arguments="1234"),
        Finish("length"),
    ]


def test_choices_are_bounded_each_for_itself() -> None:
    events: list[Event] = [*spoken("one two", 0), Pause(1), *spoken("two", 1)]
    assert list(bounded(stream_of(events), chat_request(stop=("two",), n=2), CHARACTERS)) == [
        TextDelta("one ", 0),
        Finish("stop", None, 0),
        Pause(1),
        Finish("stop", None, 1),
    ]


def test_a_verbatim_reply_is_left_as_it_is() -> None:
    events: list[Event] = [Stamped(verbatim=True), TextDelta("12345678"), Finish()]
    request = chat_request(max_tokens=1, stop=("5",))
    assert list(bounded(stream_of(events), request, CHARACTERS)) == events


@pytest.mark.parametrize(
    ("max_tokens", "text", "reason"),
    [(3, "12345678 b", "length"), (2, "12345678 b", "length"), (1, "1234", "length")],
)
def test_a_count_that_keeps_the_limit_is_believed(
    max_tokens: int, text: str, reason: FinishReason
) -> None:
    """The API that was recorded may have cut the reply by its count; ours is another one."""
    events: list[Event] = [
        Stamped(completion_tokens=2),
        TextDelta("12345678 b"),
        Finish("length"),
    ]
    request = chat_request(max_tokens=max_tokens)
    _, *said, finish = bounded(stream_of(events), request, CHARACTERS)
    assert (said, finish) == ([TextDelta(text)], Finish(reason))


def test_a_count_that_keeps_the_limit_does_not_keep_a_stop_sequence_out() -> None:
    events: list[Event] = [Stamped(completion_tokens=2), TextDelta("one two"), Finish()]
    request = chat_request(max_tokens=5, stop=("two",))
    assert list(bounded(stream_of(events), request, CHARACTERS))[1:] == [
        TextDelta("one "),
        Finish("stop"),
    ]


def test_nothing_follows_the_end_and_the_source_is_closed() -> None:
    events: list[Event] = [TextDelta("one stop"), TextDelta("two"), Annotations(("1",)), Finish()]
    source = stream_of(events)
    assert list(bounded(source, chat_request(stop=("stop",)), CHARACTERS)) == [
        TextDelta("one "),
        Finish("stop"),
    ]
    assert list(source) == []
