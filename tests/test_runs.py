"""Runs of text: what is ready at one moment goes out together, and never later than it is due."""

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.prompts import replies
from llm_proxy.core.reply import (
    AT_HAND,
    IDLE,
    Event,
    Finish,
    Pause,
    ReasoningDelta,
    TextDelta,
    TextRun,
    Usage,
    WireFault,
)
from llm_proxy.core.runs import singly
from llm_proxy.errors import ConnectionCut, UpstreamError
from llm_proxy.openai_api.chat.answer import ChatEncoder
from llm_proxy.settings import MockSettings
from llm_proxy.shell.outbox import MAX_BYTES, Outbox, portions
from llm_proxy.shell.pauses import lived, waited
from llm_proxy.shell.streaming import EventStream
from tests.builders import STAMP, chat_request, mock_source, stream_of
from tests.streams import FakeClock, Told, drained, stream, timed

FINISH = Finish("stop", Usage(1, 2))


def test_a_run_is_sent_together_but_for_the_first_piece() -> None:
    events: list[Event] = [TextRun(("a ", "b ", "c ")), TextDelta("d "), Finish()]
    assert drained(stream(events, Told(), FakeClock())) == [b"a ", b"b c ", b"d ", b"end"]


def test_of_what_is_at_hand_all_but_the_first_goes_out_when_time_is_to_pass() -> None:
    clock = FakeClock()
    sent: list[tuple[float, bytes]] = []
    said: list[Event] = [ReasoningDelta("-"), *map(TextDelta, "abc"), Pause(2), TextDelta("d")]
    body = stream([AT_HAND, TextDelta("first "), *said, TextDelta("e"), FINISH], Told(), clock)
    body.look_ahead()
    for chunk in body:
        sent.append((clock.time, chunk))
    assert sent == [(0, b"first "), (0, b"abc"), (2, b"deend")]


def test_what_is_late_goes_out_with_what_is_next() -> None:
    clock = FakeClock()
    sent: list[tuple[float, bytes]] = []
    paced = [event for letter in "abcde" for event in (Pause(1), TextDelta(letter))]
    body = stream([AT_HAND, *paced, FINISH], Told(), clock)
    body.look_ahead()
    for chunk in body:
        sent.append((clock.time, chunk))
        if chunk == b"b":
            clock.time += 2.5
    assert sent == [(1, b"a"), (2, b"b"), (4.5, b"cd"), (5, b"eend")]


@pytest.mark.parametrize(
    ("last", "sent"),
    [
        (UpstreamError("broke"), [b"a", b"bfailed: broke"]),
        (IDLE, [b"a", b"b", b"end"]),
        (FINISH, [b"a", b"bend"]),
    ],
)
def test_what_is_held_back_is_sent_however_the_reply_goes_on(
    last: Event | Exception, sent: list[bytes]
) -> None:
    events = [AT_HAND, TextDelta("a"), TextDelta("b"), last]
    assert drained(stream(events, Told(), FakeClock())) == sent


def test_a_connection_that_is_cut_takes_nothing_along_that_was_due() -> None:
    events: list[Event] = [AT_HAND, *map(TextDelta, "abc"), WireFault("disconnect"), FINISH]
    body = stream(events, Told(), FakeClock())
    body.look_ahead()
    sent = iter(body)
    assert [next(sent), next(sent)] == [b"a", b"bc"]
    with pytest.raises(ConnectionCut):
        next(sent)


def test_nothing_is_sent_together_where_something_is_to_go_wrong() -> None:
    fault = WireFault("disconnect", after=9)
    events, exchange = (
        stream_of([AT_HAND, fault, TextRun(tuple("abcd")), FINISH]),
        Told().exchange(),
    )
    request = chat_request(stream=True)
    body = EventStream(events, lambda _: ChatEncoder(request, STAMP), exchange, FakeClock(), 0.0)
    assert [chunk.count(b"data: ") for chunk in drained(body)] == [1] * 7


def test_prompts_are_answered_one_by_one_though_each_answer_is_at_hand() -> None:
    source = mock_source(MockSettings(reply="echo"))
    messages = tuple(Message(role="user", text=text) for text in ("a", "b"))
    request = ChatRequest(endpoint="completions", model="m", messages=messages, n=2)
    assert AT_HAND not in list(replies(source, request))
    assert AT_HAND in list(replies(source, chat_request()))


def test_the_pieces_of_a_run_are_sent_when_they_are_due() -> None:
    run = TextRun(("a ", "b ", "c ", "d "), delays=(0.0, 1.0, 0.0, 1.5))
    assert timed(stream_of([run]), FakeClock()) == [
        (0.0, TextRun(("a ",))),
        (1.0, TextRun(("b ", "c "))),
        (2.5, TextRun(("d ",))),
    ]


def test_the_pieces_that_are_due_when_one_was_late_are_sent_together() -> None:
    clock = FakeClock()
    seen = []
    with closing(lived(stream_of([TextRun(tuple("abcd"), delays=(1.0,) * 4)]), clock)) as events:
        for event in events:
            if isinstance(event, TextRun):
                seen.append((clock.time, event.pieces))
                clock.time += 2.5 if event.pieces == ("a",) else 0.0
    assert seen == [(1.0, ("a",)), (3.5, ("b", "c")), (4.0, ("d",))]


def test_a_whole_reply_is_waited_for_once() -> None:
    clock = FakeClock()
    run = TextRun(("a ", "b "), delays=(1.0, 2.0))
    events = waited(stream_of([Pause(0.5), run, Finish()]), clock)
    assert [(clock.time, event) for event in events] == [(3.5, run), (3.5, Finish())]


def test_silence_within_a_run_is_bridged() -> None:
    clock = FakeClock()
    assert timed(stream_of([TextRun(("a", "b"), delays=(0.0, 2.5))]), clock, 1.0) == [
        (0.0, TextRun(("a",))),
        (1.0, IDLE),
        (2.0, IDLE),
        (2.5, TextRun(("b",))),
    ]


def test_a_long_run_is_sent_in_writes_of_bounded_length() -> None:
    request = chat_request(stream=True)
    words = tuple(f"{'long ' * 50}{number} " for number in range(500))
    events, exchange = stream_of([TextRun(words), Finish()]), Told().exchange()
    body = EventStream(events, lambda _: ChatEncoder(request, STAMP), exchange, FakeClock(), 0.0)
    first, *others = drained(body)
    assert first.count(b"data: ") == 2, "the role, and the first piece"
    assert max(map(len, others)) <= MAX_BYTES
    assert all(written.endswith(b"\n\n") for written in others)
    alone = ChatEncoder(request, STAMP)
    single = [alone.encode(TextDelta(word)) for word in words]
    end = [alone.encode(Finish()), alone.end()]
    assert b"".join([first, *others]) == b"".join(single + end)


def test_an_event_that_is_too_long_to_be_sent_with_others_is_sent_whole() -> None:
    short, long = b"data: a\n\n", b"data: " + b"x" * MAX_BYTES + b"\n\n"
    assert list(portions(short + long + short * 3)) == [short, long, short * 3]


@given(
    st.lists(st.binary(max_size=9000).map(lambda text: b"data: " + text.hex().encode() + b"\n\n"))
)
def test_nothing_is_lost_in_the_outbox(events: list[bytes]) -> None:
    outbox = Outbox(holds=True)
    sent = [portion for event in events for portion in outbox.put(event)]
    sent += outbox.rest(b"end\n\n")
    assert b"".join(sent) == b"".join(events) + b"end\n\n"
    assert all(len(one) <= MAX_BYTES or one.count(b"\n\n") == 1 for one in sent)
    assert not outbox.rest()


def test_a_run_is_the_same_as_its_pieces() -> None:
    run = TextRun(("a", "b"), 1, (0.0, 2.0))
    assert list(singly([TextRun(("c",)), run, Finish()])) == [
        TextDelta("c"),
        TextDelta("a", 1),
        Pause(2.0),
        TextDelta("b", 1),
        Finish(),
    ]
