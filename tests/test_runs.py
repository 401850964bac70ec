"""Runs of text: what is ready at one moment goes out together, and never later than it is due."""

from contextlib import closing

from llm_proxy.openai_api import sse
from llm_proxy.openai_api.chat.answer import ChatEncoder
from llm_proxy.reply import IDLE, Event, Finish, Pause, TextDelta, TextRun
from llm_proxy.runs import singly
from llm_proxy.streaming import MAX_WRITE_BYTES, EventStream, lived
from tests.builders import STAMP, chat_request, stream_of
from tests.streams import FakeClock, Told, drained, stream


def test_what_is_ready_at_one_moment_is_sent_together_but_for_the_first_piece() -> None:
    events: list[Event] = [TextRun(("a ", "b ", "c ")), TextDelta("d "), Finish()]
    assert drained(stream(events, Told(), FakeClock())) == [b"a ", b"b c ", b"d ", b"end"]


def test_the_pieces_of_a_run_are_sent_when_they_are_due() -> None:
    run = TextRun(("a ", "b ", "c ", "d "), delays=(0.0, 1.0, 0.0, 1.5))
    clock = FakeClock()
    assert [(clock.now(), event) for event in lived(stream_of([run]), clock)] == [
        (0.0, TextRun(("a ",))),
        (1.0, TextRun(("b ", "c "))),
        (2.5, TextRun(("d ",))),
    ]


def test_the_pieces_that_are_due_when_one_was_late_are_sent_together() -> None:
    clock = FakeClock()
    seen = []
    with closing(lived(stream_of([TextRun(tuple("abcd"), delays=(1.0,) * 4)]), clock)) as events:
        for event in events:
            seen.append((clock.time, event))
            clock.time += 1.25 if clock.time < 3 else 0.0
    assert seen == [
        (1.0, TextRun(("a",))),
        (2.25, TextRun(("b",))),
        (3.5, TextRun(("c",))),
        (4.0, TextRun(("d",))),
    ]


def test_a_whole_reply_is_waited_for_once() -> None:
    clock = FakeClock()
    run = TextRun(("a ", "b "), delays=(1.0, 2.0))
    events = lived(stream_of([Pause(0.5), run, Finish()]), clock, whole=True)
    assert [(clock.time, event) for event in events] == [(3.5, run), (3.5, Finish())]


def test_silence_within_a_run_is_bridged() -> None:
    clock = FakeClock()
    events = lived(stream_of([TextRun(("a", "b"), delays=(0.0, 2.5))]), clock, 1.0)
    assert [(clock.time, event) for event in events] == [
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
    assert max(map(len, others)) <= MAX_WRITE_BYTES
    assert all(written.endswith(b"\n\n") for written in others)
    alone = ChatEncoder(request, STAMP)
    single = [alone.encode(TextDelta(word)) for word in words]
    end = [alone.encode(Finish()), alone.end()]
    assert b"".join([first, *others]) == b"".join(single + end)


def test_an_event_that_is_too_long_to_be_sent_with_others_is_sent_whole() -> None:
    long = b"data: " + b"x" * 50 + b"\n\n"
    assert list(sse.portions(b"data: a\n\n" + long + b"data: b\n\n" * 3, 30)) == [
        b"data: a\n\n",
        long,
        b"data: b\n\n" * 3,
    ]


def test_a_run_is_the_same_as_its_pieces() -> None:
    run = TextRun(("a", "b"), 1, (0.0, 2.0))
    assert list(singly([TextRun(("c",)), run, Finish()])) == [
        TextDelta("c"),
        TextDelta("a", 1),
        Pause(2.0),
        TextDelta("b", 1),
        Finish(),
    ]
