"""A body is the same however it arrives, and nothing but a whole one is taken for whole."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import IncompleteRead, ProtocolError

from llm_proxy.upstream.transfer import MAX_LINE_BYTES, Chunked, ToTheEnd, Transfer, WithLength
from tests.raw_upstream import LAST_CHUNK, chunk

repeatable = settings(deadline=None, derandomize=True)

Fed = tuple[bytes, bool, bool, type[Exception] | None]
"""The body, whether it is whole, whether more came, and what was wrong."""

positions = st.lists(st.integers(0, 80), max_size=8)


def fed(transfer: Transfer, pieces: Sequence[bytes]) -> Fed:
    body = b""
    for piece in pieces:
        if transfer.complete or transfer.broken:
            break
        body += transfer.feed(piece)
    broken = None if transfer.broken is None else type(transfer.broken)
    return body, transfer.complete, transfer.surplus, broken


def cut(body: bytes, at: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(min(position, len(body)) for position in at), len(body)]
    return [body[start:end] for start, end in pairwise(edges) if start < end]


def bytewise(body: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in body]


@repeatable
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), positions)
def test_chunks_are_put_together_however_they_arrive(
    chunks: Sequence[bytes], at: Sequence[int]
) -> None:
    sent = b"".join(map(chunk, chunks)) + LAST_CHUNK
    whole = b"".join(chunks), True, False, None
    assert fed(Chunked(), [sent]) == fed(Chunked(), cut(sent, at)) == whole
    assert fed(Chunked(), bytewise(sent)) == whole


odd_chunks = st.lists(
    st.sampled_from(
        [
            *(b"1", b"3", b"0", b"a", b"\r\n", b"\n", b"\r", b"x", b"-1", b";x=y"),
            *(chunk(b"body"), b"\r\n2\r\nab", LAST_CHUNK),
        ]
    )
).map(b"".join)


@repeatable
@given(odd_chunks, positions)
def test_what_are_no_chunks_means_the_same_however_it_arrives(
    sent: bytes, at: Sequence[int]
) -> None:
    """But for more behind the end: it may arrive when nobody reads any more."""

    def known(found: Fed) -> object:
        body, complete, _, broken = found
        return body, complete, broken

    at_once = known(fed(Chunked(), [sent] if sent else []))
    assert known(fed(Chunked(), cut(sent, at))) == known(fed(Chunked(), bytewise(sent))) == at_once


@pytest.mark.parametrize(
    "sent",
    [
        b"5\nhello\n0\n\n",
        b" 5 \r\nhello\r\n0\r\n\r\n",
        b'5;name="value"\r\nhello\r\n0;last\r\n\r\n',
        b"0005\r\nhello\r\n000\r\n\r\n",
        b"5\r\nhello\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n",
        b"1\r\nh\r\nA\r\nello, wor",
    ],
    ids=["LF", "spaces", "extensions", "zeros", "trailers", "capitals"],
)
def test_chunks_may_be_written_in_other_ways(sent: bytes) -> None:
    body, complete, surplus, broken = fed(Chunked(), [sent])
    assert body.startswith(b"hello")
    assert (complete, surplus, broken) == (not body.endswith(b"wor"), False, None)


@pytest.mark.parametrize("size", [b"", b"nonsense", b"-5", b"+5", b"0x5", b"5_0", b"f" * 16])
def test_what_is_no_size_is_refused_behind_the_body_before_it(size: bytes) -> None:
    sent = chunk(b"body") + size + b"\r\nmore\r\n"
    assert fed(Chunked(), [sent]) == (b"body", False, False, ProtocolError)


def test_a_chunk_that_is_longer_than_its_size_is_refused() -> None:
    assert fed(Chunked(), [b"4\r\nbodyguard\r\n"]) == (b"body", False, False, ProtocolError)


def test_a_line_that_does_not_end_is_refused() -> None:
    sent = chunk(b"body") + b"0" * (MAX_LINE_BYTES + 1)
    assert fed(Chunked(), [sent]) == (b"body", False, False, ProtocolError)


@pytest.mark.parametrize("sent", [b"", b"4", b"4\r\n", b"4\r\nbo", chunk(b"body"), b"0", b"4;"])
def test_chunks_that_end_with_the_connection_are_not_whole(sent: bytes) -> None:
    body, complete, _, broken = fed(Chunked(), [*filter(None, [sent]), b""])
    assert b"body".startswith(body)
    assert (complete, broken) == (False, IncompleteRead)


@pytest.mark.parametrize("end", [b"0\r\n", b"0\r\nTrailer: x\r\n", b"0\r\n\r"])
def test_only_the_last_line_end_may_be_missing(end: bytes) -> None:
    assert fed(Chunked(), [chunk(b"body") + end, b""]) == (b"body", True, False, None)


@pytest.mark.parametrize("transfer", [Chunked, lambda: WithLength(4)])
def test_more_than_the_body_is_left_out_and_told(transfer: type[Transfer]) -> None:
    sent = chunk(b"body") + LAST_CHUNK if transfer is Chunked else b"body"
    assert fed(transfer(), [sent + b"more"]) == (b"body", True, True, None)


@repeatable
@given(st.binary(max_size=40), positions)
def test_a_body_of_a_length_ends_there(body: bytes, at: Sequence[int]) -> None:
    assert fed(WithLength(len(body)), cut(body, at)) == (body, True, False, None)
    short = fed(WithLength(len(body) + 1), [*cut(body, at), b""])
    assert short == (body, False, False, IncompleteRead)


@repeatable
@given(st.binary(max_size=40), positions)
def test_a_body_without_a_length_ends_with_the_connection(body: bytes, at: Sequence[int]) -> None:
    assert fed(ToTheEnd(), cut(body, at)) == (body, False, False, None)
    assert fed(ToTheEnd(), [*cut(body, at), b""]) == (body, True, False, None)
