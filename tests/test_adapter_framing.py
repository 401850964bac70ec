"""Framing cuts a body into the same events however it arrives."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.adapter.framing import EventTruncated, Framing
from llm_proxy.adapter.reading import stands_alone
from llm_proxy.openai_api.sse import EventTooLarge

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BIG = 1000

repeatable = settings(deadline=None, derandomize=True)

TWO_EVENTS = [b"event: x\ndata: one", b"data: two"]

LITERAL = b"data: {'type': 'response', 'data': 'one'}"
JSON = b'data: {"type": "response", "data": "two"}'
CITATION = b"data: {'type': 'citation', 'data': '1'}"

bodies = st.lists(
    st.sampled_from(
        [
            *(b"\n", b"\r", b"\r\n", b" \n", BYTE_ORDER_MARK, "é".encode(), b"\xff", b"\0"),
            *(b"data: a", b"data", b"data:", b"da", b"data: {", b":", b"id: 7", b"retry: 1"),
            *(LITERAL, JSON, b"data: [DONE]"),
        ]
    )
).map(b"".join)


def framing_of(max_event_bytes: int = BIG) -> Framing:
    return Framing(max_event_bytes, stands_alone)


def apart(framed: Iterable[bytes]) -> Iterator[bytes]:
    """Each event by itself, though several may be given as one."""
    for events in framed:
        yield from events.split(b"\n\n")


def fed(pieces: Iterable[bytes], max_event_bytes: int = BIG) -> list[bytes]:
    """The events that a body which comes in `pieces` has before its end is known."""
    framing = framing_of(max_event_bytes)
    return [event for piece in pieces for event in apart(framing.feed(piece))]


def framed(
    pieces: Iterable[bytes], max_event_bytes: int = BIG, *, whole: bool = True
) -> tuple[list[bytes], type[Exception] | None]:
    """All events of a body that comes in `pieces`, and as what it was refused after them."""
    framing = framing_of(max_event_bytes)
    events: list[bytes] = []
    try:
        for piece in pieces:
            for event in apart(framing.feed(piece)):
                events.append(event)
        for event in framing.end(whole=whole):
            events.append(event)
    except (EventTooLarge, EventTruncated) as error:
        return events, type(error)
    return events, None


def bytewise(body: bytes) -> list[bytes]:
    return [body[position : position + 1] for position in range(len(body))]


def cut(body: bytes, positions: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(position, len(body)) for position in positions), len(body)]
    return [body[start:end] for start, end in pairwise(edges) if start < end]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=repr)
@pytest.mark.parametrize("cutting", [lambda body: [body], bytewise], ids=["at once", "bytewise"])
def test_lines_end_in_lf_crlf_or_cr(
    cutting: Callable[[bytes], list[bytes]], line_end: bytes
) -> None:
    body = b"event: x\ndata: one\n\ndata: two\n\n".replace(b"\n", line_end)
    assert fed(cutting(body)) == TWO_EVENTS


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: a\r", b"\n\r\ndata: b\r\n\r\n"],
        [b"data: a\r\n", b"\r\ndata: b\r\n\r\n"],
        [b"data: a\r\n\r", b"\ndata: b\r\n\r\n"],
        [b"data: a\r", b"\n\r", b"\ndata: b\r", b"\n\r", b"\n"],
    ],
)
def test_a_crlf_in_two_pieces_is_one_line_end(pieces: list[bytes]) -> None:
    assert fed(pieces) == [b"data: a", b"data: b"]


def test_a_cr_that_ends_a_piece_ends_its_line_at_once() -> None:
    assert fed([b"data: a\r\r"]) == [b"data: a"]


@pytest.mark.parametrize(
    "blank_line", [b"\n\r\n", b"\r\n\n", b"\r\r\n", b"\n\r", b"\n \n", b"\n\t\r\n"], ids=repr
)
def test_a_blank_line_may_be_written_in_any_way(blank_line: bytes) -> None:
    assert framed([b"data: a" + blank_line + b"data: b" + blank_line]) == (
        [b"data: a", b"data: b"],
        None,
    )


@pytest.mark.parametrize(
    "pieces",
    [
        [BYTE_ORDER_MARK + b"data: a\n\n"],
        [b"\xef", b"\xbb", b"\xbf", b"data: a\n\n"],
        [b"\xef\xbb", b"\xbfdata: a\n\n"],
        [BYTE_ORDER_MARK, b"data: a\n\n"],
    ],
)
def test_a_byte_order_mark_is_dropped(pieces: list[bytes]) -> None:
    assert fed(pieces) == [b"data: a"]


@pytest.mark.parametrize("first", [b"\n\n", b"data: a\n\n", BYTE_ORDER_MARK])
def test_only_the_first_bytes_of_a_body_are_a_byte_order_mark(first: bytes) -> None:
    """WHATWG HTML, 9.2.6: one leading U+FEFF is ignored, and no other."""
    events = fed([first, BYTE_ORDER_MARK, b"data: b\n\n"])
    assert events[-1] == BYTE_ORDER_MARK + b"data: b"


@pytest.mark.parametrize("blank_lines", [b"\n\n\n", b"\n\n\n\n", b"\r\n\r\n\r\n\r\n\r\n"])
def test_more_blank_lines_than_one_add_nothing(blank_lines: bytes) -> None:
    body = blank_lines + b"data: a" + blank_lines + b"data: b" + blank_lines
    assert framed([body]) == ([b"data: a", b"data: b"], None)


def test_comments_are_dropped() -> None:
    assert fed([b": one\ndata: a\n: two\ndata: b\n\n: three\n\n"]) == [b"data: a\ndata: b"]


def test_an_event_is_there_as_soon_as_its_last_byte() -> None:
    framing = framing_of()
    pieces = [b"data: a\n", b"\n", b"data", b": b\n\ndata: c\n\nda"]
    assert [list(apart(framing.feed(piece))) for piece in pieces] == [
        [],
        [b"data: a"],
        [],
        [b"data: b", b"data: c"],
    ]


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c"], ids=ascii)
def test_no_other_line_separator_ends_a_line(separator: str) -> None:
    event = f"data: a{separator}{separator}b".encode()
    assert fed([event + b"\n\n"]) == [event]


class TestWithoutBlankLines:
    """Some deployments end each event with a single line end."""

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"], ids=repr)
    def test_a_line_that_stands_alone_is_an_event_at_once(self, line_end: bytes) -> None:
        framing = framing_of()
        lines = [LITERAL, JSON, CITATION, b"data: [DONE]"]
        assert [list(framing.feed(line + line_end)) for line in lines] == [[x] for x in lines]

    def test_a_blank_line_behind_it_adds_nothing(self) -> None:
        assert fed([LITERAL + b"\n", b"\n", JSON + b"\n\n"]) == [LITERAL, JSON]

    def test_plain_text_is_waited_on(self) -> None:
        framing = framing_of()
        assert (list(framing.feed(b"data: a\n")), framing.unsettled) == ([], True)

    def test_it_is_an_event_when_the_wait_is_over_and_then_each_line_is_one(self) -> None:
        framing = framing_of()
        assert list(framing.feed(b"event: x\ndata: a\ndata: b\nda")) == []
        assert list(framing.settle()) == [b"data: a", b"data: b"]
        assert list(framing.feed(b"ta: c\ndata: d\n")) == [b"data: c", b"data: d"]
        assert not framing.unsettled

    def test_a_blank_line_that_comes_in_time_ends_one_event_of_many_lines(self) -> None:
        framing = framing_of()
        assert list(framing.feed(b"data: a\ndata: b\n")) == []
        assert list(framing.feed(b"\n")) == [b"data: a\ndata: b"]
        assert (list(framing.feed(b"data: c\n")), framing.unsettled) == ([], False)

    def test_a_blank_line_that_comes_late_is_believed_from_then_on(self) -> None:
        framing = framing_of()
        assert list(framing.feed(b"data: a\n")) == []
        assert list(framing.settle()) == [b"data: a"]
        assert list(framing.feed(b"\ndata: b\n")) == []
        assert list(framing.feed(b"data: c\n\n")) == [b"data: b\ndata: c"]

    def test_the_blank_line_behind_a_comment_tells_nothing(self) -> None:
        framing = framing_of()
        list(framing.feed(b"data: a\n"))
        assert list(framing.settle()) == [b"data: a"]
        assert list(framing.feed(b": ping\n\ndata: b\n")) == [b"data: b"]

    def test_one_line_behind_another_that_stood_alone_is_an_event_at_once(self) -> None:
        assert fed([LITERAL + b"\ndata: plain\ndata: text\n"]) == [
            LITERAL,
            b"data: plain",
            b"data: text",
        ]

    def test_plain_text_before_a_line_that_stands_alone_has_ended(self) -> None:
        assert fed([b"data: a\ndata: b\n" + JSON + b"\n\n"]) == [b"data: a", b"data: b", JSON]

    @pytest.mark.parametrize("first", [b"{", b"{'type': 'response',", b'{ "type":'])
    def test_an_object_over_several_lines_is_waited_for_to_its_end(self, first: bytes) -> None:
        framing = framing_of()
        assert (list(framing.feed(b"data: " + first + b"\n")), framing.unsettled) == ([], False)

    @pytest.mark.parametrize("text", [b"{x}", b"{ x", b"{}", b"(", b"42", b"{\ndata: x"])
    def test_other_braces_are_text(self, text: bytes) -> None:
        framing = framing_of()
        assert (list(framing.feed(b"data: " + text + b"\n")), framing.unsettled) == ([], True)


class TestTheEndOfTheBody:
    """A missing blank line is forgiven, half an event is not."""

    @pytest.mark.parametrize("whole", [True, False])
    @pytest.mark.parametrize("tail", [b"\n", b"\r\n", b"\r"], ids=repr)
    def test_it_ends_an_event_without_a_blank_line(self, tail: bytes, whole: bool) -> None:
        body = b"data: a\n\ndata: b\ndata: c" + tail
        assert framed([body], whole=whole) == ([b"data: a", b"data: b\ndata: c"], None)

    def test_without_any_blank_line_each_line_was_an_event(self) -> None:
        assert framed([b"data: a\ndata: b\n"]) == ([b"data: a", b"data: b"], None)

    @pytest.mark.parametrize("line", [LITERAL, JSON, b"data: [DONE]"])
    @pytest.mark.parametrize("before", [b"", b"data: a\n\n", b"data: a\n"])
    def test_a_line_that_stands_alone_needs_no_line_end(self, before: bytes, line: bytes) -> None:
        *_, last = framed([before + line], whole=False)[0]
        assert (last, framed([before + line], whole=False)[1]) == (line, None)

    @pytest.mark.parametrize("line", [LITERAL, JSON])
    @pytest.mark.parametrize("before", [b"", b"data: a\n\n", LITERAL + b"\n" + LITERAL + b"\n"])
    @pytest.mark.parametrize("whole", [True, False])
    def test_half_an_object_is_refused(self, before: bytes, line: bytes, whole: bool) -> None:
        complete, _ = framed([before])
        for length in range(len(b"data: {'"), len(line)):
            assert framed([before + line[:length]], whole=whole) == (complete, EventTruncated)

    @pytest.mark.parametrize("tail", [b"da", b"data", b"data:", b"data: wor", b"id: 1"])
    def test_half_a_line_is_refused_where_nothing_vouches_for_the_end(self, tail: bytes) -> None:
        assert framed([b"data: a\n\n" + tail], whole=False) == ([b"data: a"], EventTruncated)

    def test_text_needs_no_line_end_where_the_transfer_vouches_for_it(self) -> None:
        assert framed([b"data: a\n\ndata: b"], whole=True) == ([b"data: a", b"data: b"], None)

    def test_an_object_over_several_lines_that_breaks_off_is_refused(self) -> None:
        assert framed([b'data: {\ndata: "type": "x"\n']) == ([], EventTruncated)

    def test_an_object_over_several_lines_needs_no_blank_line(self) -> None:
        body = b'data: {\ndata: "type": "x"\ndata: }\n'
        assert framed([body]) == ([body.rstrip()], None)

    @pytest.mark.parametrize("body", [b"", b"\n", b"\n\n", b" \r\n", b" ", b": ping"], ids=repr)
    @pytest.mark.parametrize("whole", [True, False])
    def test_white_space_and_comments_are_no_event(self, body: bytes, whole: bool) -> None:
        assert framed([body], whole=whole) == ([], None)


@repeatable
@given(bodies, st.booleans())
def test_byte_by_byte_is_the_same_as_at_once(body: bytes, whole: bool) -> None:
    assert framed(bytewise(body), whole=whole) == framed([body], whole=whole)


@repeatable
@given(bodies, st.lists(st.integers(0, 60), max_size=6))
def test_pieces_of_any_length_are_the_same_as_at_once(body: bytes, positions: list[int]) -> None:
    assert framed(cut(body, positions)) == framed([body])


class Careful(Framing):
    """Framing that looks at each line, whatever there is."""

    def _usual(self) -> int:
        return 0


usual_bodies = st.lists(
    st.sampled_from(
        [
            *(LITERAL + b"\n\n", JSON + b"\n\n", b"data: a\n\n", b"data:\n\n", b"data: \xc3\n\n"),
            *(LITERAL + b"\r\n\r\n", b"\n", JSON + b"\n", b"data: a\n", b": hm\n\n", b"id: 1\n"),
            b"data: a\ndata: b\n\n",
        ]
    )
).map(b"".join)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(usual_bodies | bodies, st.lists(st.integers(0, 200), max_size=6), st.data())
def test_the_short_way_finds_what_the_careful_one_finds(
    body: bytes, positions: list[int], data: st.DataObject
) -> None:
    """Piece by piece, whatever stood before, and whether the waiting was over in between."""
    limit = data.draw(st.sampled_from([20, 60, BIG]))
    ways = [framing(limit, stands_alone) for framing in (Framing, Careful)]

    def both(found: Callable[[Framing], Iterable[bytes]]) -> bool:
        """Whether both go on, after the same events."""
        seen: list[tuple[list[bytes], type[Exception] | None, bool]] = []
        for way in ways:
            events: list[bytes] = []
            refusal: type[Exception] | None = None
            try:
                for event in apart(found(way)):
                    events.append(event)
            except (EventTooLarge, EventTruncated) as error:
                refusal = type(error)
            seen.append((events, refusal, way.unsettled))
        assert seen[0] == seen[1]
        return seen[0][1] is None

    for piece in cut(body, positions):
        if not both(lambda way, piece=piece: way.feed(piece)):  # type: ignore[misc]
            return
        if data.draw(st.booleans()):
            both(Framing.settle)
    whole = data.draw(st.booleans())
    both(lambda way: way.end(whole=whole))


def test_usual_events_that_come_together_are_given_as_one() -> None:
    body = (LITERAL + b"\n\n" + JSON + b"\n\n") * 50
    assert list(framing_of(BIG * 10).feed(body + b"data: {")) == [body.removesuffix(b"\n\n")]


@repeatable
@given(st.integers(0, 40), st.lists(st.integers(0, 60), max_size=6))
def test_an_event_too_large_is_refused_however_it_arrives(
    length: int, positions: list[int]
) -> None:
    body = b"data: a\n\n" + b"x" * length + b"\n\n"
    whole = [b"data: a", b"x" * length]
    expected = (list(filter(None, whole)), None) if length <= 20 else (whole[:1], EventTooLarge)
    assert framed(cut(body, positions), max_event_bytes=20) == expected


@pytest.mark.parametrize("blank_line", [b"\n", b" \n", b"\r\n"], ids=repr)
def test_an_event_of_just_the_limit_is_not_too_large(blank_line: bytes) -> None:
    body = b"data: " + b"x" * 14 + b"\n" + blank_line
    whole = framed([body], max_event_bytes=20), framed([body], max_event_bytes=22)
    assert framed(bytewise(body), max_event_bytes=20) == whole[0]
    assert framed(bytewise(body), max_event_bytes=22) == whole[1] == ([body.strip()], None)


@pytest.mark.parametrize("endless", [b"data: 1234", b": comment", b"data: 1\n", b"{", b"\xff"])
def test_an_event_that_never_ends_is_refused(endless: bytes) -> None:
    if endless.endswith(b"\n"):  # in a stream that ends its events with blank lines
        assert framed([b"data: a\n\n", *[endless] * 100], max_event_bytes=100)[1] is EventTooLarge
    else:
        assert framed([endless] * 101, max_event_bytes=100) == ([], EventTooLarge)


@pytest.mark.parametrize("piece", [b"x" * 128, b"data: x\n", b"data: {}}\n", b"data: {'a': 1\n"])
def test_the_time_for_a_big_event_grows_with_its_size_only(piece: bytes) -> None:
    """Two megabytes; time that grew with the square would be minutes."""
    began = time.monotonic()
    fed([b"data: a\n\n", *[piece] * (2 * 1024 * 1024 // len(piece))], 1024**3)
    assert time.monotonic() - began < 20


@repeatable
@given(st.lists(st.binary(max_size=20), max_size=20), st.data())
def test_arbitrary_bytes_raise_nothing_but_our_own(
    pieces: list[bytes], data: st.DataObject
) -> None:
    framing = framing_of(50)
    try:
        for piece in filter(None, pieces):
            list(framing.feed(piece))
            if data.draw(st.booleans()):
                list(framing.settle())
        list(framing.end(whole=data.draw(st.booleans())))
    except (EventTooLarge, EventTruncated):
        pass
