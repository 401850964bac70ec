"""Framing cuts a body into the same events however it arrives."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.adapter.framing import EventTooLarge, Framing

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
BIG = 1000

repeatable = settings(deadline=None, derandomize=True)

TWO_EVENTS = [b"event: x\ndata: one", b"data: two"]

bodies = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", BYTE_ORDER_MARK, b"data: a", b":", "é".encode()])
).map(b"".join)


def fed(pieces: Iterable[bytes], max_event_bytes: int = BIG) -> list[bytes]:
    """The events that a body which comes in `pieces` has before its end is known."""
    framing = Framing(max_event_bytes)
    return [event for piece in pieces for event in framing.feed(piece)]


def framed(pieces: Iterable[bytes], max_event_bytes: int = BIG) -> tuple[list[bytes], bool]:
    """All events of a body that comes in `pieces`, and whether it was refused after them."""
    framing = Framing(max_event_bytes)
    events: list[bytes] = []
    try:
        for piece in pieces:
            events += framing.feed(piece)
    except EventTooLarge:
        return events, True
    return [*events, *framing.end()], False


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


@pytest.mark.parametrize("blank_line", [b"\n\r\n", b"\r\n\n", b"\r\r\n", b"\n\r"], ids=repr)
def test_line_ends_may_be_mixed(blank_line: bytes) -> None:
    assert framed([b"data: a" + blank_line + b"data: b" + blank_line]) == (
        [b"data: a", b"data: b"],
        False,
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


def test_a_body_shorter_than_a_byte_order_mark_is_not_lost() -> None:
    assert framed([b"d\n"]) == ([b"d\n"], False)


@pytest.mark.parametrize("blank_lines", [b"\n\n\n", b"\n\n\n\n", b"\r\n\r\n\r\n\r\n\r\n"])
def test_more_blank_lines_than_one_add_nothing(blank_lines: bytes) -> None:
    body = blank_lines + b"data: a" + blank_lines + b"data: b" + blank_lines
    events, _ = framed([body])
    assert [event.strip() for event in events if event.strip()] == [b"data: a", b"data: b"]


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b"\r"], ids=repr)
def test_the_end_of_the_body_ends_an_event_without_a_blank_line(tail: bytes) -> None:
    events, _ = framed([b"data: a\n\ndata: b" + tail])
    assert [event.strip() for event in events] == [b"data: a", b"data: b"]


@pytest.mark.parametrize("body", [b"", b"\n", b"\n\n", b" \r\n"], ids=repr)
def test_a_body_of_white_space_has_no_event_at_its_end(body: bytes) -> None:
    framing = Framing(BIG)
    list(framing.feed(body))
    assert list(framing.end()) == []


def test_an_event_is_there_as_soon_as_its_last_byte() -> None:
    framing = Framing(BIG)
    pieces = [b"data: a\n", b"\n", b"data", b": b\n\ndata: c\n\nda"]
    assert [list(framing.feed(piece)) for piece in pieces] == [
        [],
        [b"data: a"],
        [],
        [b"data: b", b"data: c"],
    ]


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c"], ids=ascii)
def test_no_other_line_separator_ends_a_line(separator: str) -> None:
    event = f"data: a{separator}{separator}b".encode()
    assert fed([event + b"\n\n"]) == [event]


@repeatable
@given(bodies)
def test_byte_by_byte_is_the_same_as_at_once(body: bytes) -> None:
    assert framed(bytewise(body)) == framed([body])


@repeatable
@given(bodies, st.lists(st.integers(0, 60), max_size=6))
def test_pieces_of_any_length_are_the_same_as_at_once(body: bytes, positions: list[int]) -> None:
    assert framed(cut(body, positions)) == framed([body])


@repeatable
@given(st.integers(0, 40), st.lists(st.integers(0, 60), max_size=6))
def test_an_event_too_large_is_refused_however_it_arrives(
    length: int, positions: list[int]
) -> None:
    body = b"data: a\n\n" + b"x" * length + b"\n\n"
    whole = [b"data: a", b"x" * length]
    expected = (whole, False) if length <= 20 else (whole[:1], True)
    assert framed(cut(body, positions), max_event_bytes=20) == expected


def test_an_event_that_never_ends_is_refused() -> None:
    assert framed([b"data: 1234"] * 12, max_event_bytes=100) == ([], True)
