"""Each event is passed on the moment it arrives, however the body is framed.

The upstream sends a word only after the client has received the one before it: an adapter
that held something back would wait for ever, and the test fails after `PATIENCE_SECONDS`.
"""

import ssl
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from llm_proxy.adapter.upstream import Upstream
from llm_proxy.errors import UpstreamError, UpstreamTimeout
from tests.body_framings import (
    FRAMINGS,
    Pieces,
    chunked,
    content_length,
    gzip_chunked,
    until_closed,
)
from tests.raw_upstream import (
    CHUNKED_HEAD,
    CLOSING_HEAD,
    LAST_CHUNK,
    PATIENCE_SECONDS,
    Act,
    RawUpstream,
    Step,
    chunk,
    event,
    head,
    next_but,
    payloads_of,
    raw_upstream,
    settings_for,
)

WORDS = ["one", "two", "three"]
EVENTS = [event(text) for text in WORDS]


Payloads = Generator[str | None]


def told(upstream: RawUpstream) -> Payloads:
    return payloads_of(Upstream(settings_for(upstream.url)))


def assert_prompt(steps: Sequence[bytes], expected: Sequence[Sequence[str]]) -> None:
    """Each of `steps` is sent once all that is `expected` of those before it has come."""
    gates = [threading.Event() for _ in steps]
    script = [part for pair in zip(gates, steps, strict=True) for part in pair]
    with raw_upstream(*script) as upstream, closing(told(upstream)) as payloads:
        for gate, texts in zip(gates, expected, strict=True):
            gate.set()
            assert [next_but(None, payloads) for _ in texts] == texts
        assert [payload for payload in payloads if payload is not None] == []


@pytest.mark.parametrize("framing", FRAMINGS)
def test_each_word_comes_before_the_next_is_sent(framing: Callable[[Pieces], Pieces]) -> None:
    assert_prompt(framing(EVENTS), [[], ["one"], ["two"], ["three"], []])


@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_answer_that_is_there_as_a_whole_is_read_as_a_whole(
    framing: Callable[[Pieces], Pieces],
) -> None:
    assert_prompt([b"".join(framing(EVENTS))], [WORDS])


@pytest.mark.parametrize("framing", [chunked, until_closed, content_length, gzip_chunked])
def test_a_long_answer_is_read_as_a_whole(framing: Callable[[Pieces], Pieces]) -> None:
    """Longer than every buffer on the way."""
    texts = [f"{number} " + "x" * 1000 for number in range(300)]
    assert_prompt([b"".join(framing([event(text) for text in texts]))], [texts])


def test_what_is_compressed_out_of_all_proportion_is_taken_in_small_pieces() -> None:
    body = zlib.compress(b"data: " + b"x" * 10_000_000 + b"\n\n")
    fields = f"Content-Length: {len(body)}", "Content-Encoding: deflate"
    with (
        raw_upstream(head(*fields) + body) as upstream,
        pytest.raises(UpstreamError, match="STREAM_MAX_EVENT_BYTES"),
    ):
        list(payloads_of(Upstream(settings_for(upstream.url, max_event_bytes=200_000))))


def test_a_body_that_is_not_compressed_as_it_says_is_an_error() -> None:
    gzip_head = head("Connection: close", "Content-Encoding: gzip")
    with (
        raw_upstream(gzip_head + EVENTS[0]) as upstream,
        pytest.raises(UpstreamError, match="broke off"),
    ):
        list(told(upstream))


def test_words_behind_the_head_in_one_segment_come_at_once() -> None:
    assert_prompt([CHUNKED_HEAD + chunk(EVENTS[0]), LAST_CHUNK], [["one"], []])


def test_several_events_in_one_chunk_come_at_once() -> None:
    assert_prompt([CHUNKED_HEAD, chunk(b"".join(EVENTS)), LAST_CHUNK], [[], WORDS, []])


def test_two_chunks_in_one_segment_come_at_once() -> None:
    both = chunk(EVENTS[0]) + chunk(EVENTS[1])
    assert_prompt([CHUNKED_HEAD, both, LAST_CHUNK], [[], ["one", "two"], []])


def test_an_event_over_several_chunks_comes_with_its_last_byte() -> None:
    first, second, third = b"da", b"ta: one\n", b"\ndata: two\n\n"
    steps = [CHUNKED_HEAD, chunk(first), chunk(second), chunk(third), LAST_CHUNK]
    assert_prompt(steps, [[], [], [], ["one", "two"], []])


def test_a_chunk_that_comes_in_pieces_is_passed_on_in_pieces() -> None:
    data = b"".join(EVENTS)
    size, middle = b"%x\r\n" % len(data), len(EVENTS[0])
    steps = [CHUNKED_HEAD + size + data[:middle], data[middle:], b"\r\n" + LAST_CHUNK]
    assert_prompt(steps, [["one"], ["two", "three"], []])


def test_a_word_in_two_segments_is_one_word() -> None:
    """Cut within the UTF-8 of one character."""
    data = event("naïve")
    steps = [CLOSING_HEAD + data[:9], data[9:], b""]
    assert data[8:10] == "ï".encode()
    assert_prompt(steps, [[], ["naïve"], []])


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"], ids=repr)
def test_other_line_ends_are_as_prompt(line_end: bytes) -> None:
    steps = [CLOSING_HEAD, *(data.replace(b"\n", line_end) for data in EVENTS), b""]
    assert_prompt(steps, [[], ["one"], ["two"], ["three"], []])


def test_comments_and_other_fields_are_no_payload() -> None:
    noise = b": ping\n\nevent: x\nid: 7\nretry: soon\n\nunknown\n\n"
    assert_prompt([CLOSING_HEAD + noise + EVENTS[0] + noise, EVENTS[1]], [["one"], ["two"]])


def test_lines_of_one_event_are_joined() -> None:
    assert_prompt([CLOSING_HEAD + b"data: one\ndata:two\ndata\n\n"], [["one\ntwo\n"]])


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert_prompt([CLOSING_HEAD + b"data: na\xefve\n\n" + EVENTS[1]], [["na\ufffdve", "two"]])


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert_prompt([CLOSING_HEAD + b"data: one\n\ndata: two\n"], [["one", "two"]])


@pytest.mark.parametrize(
    "answer",
    [
        head("Content-Length: 0"),
        CHUNKED_HEAD + LAST_CHUNK,
        head("Content-Length: 13") + b": nothing\r\n\r\n",
        CHUNKED_HEAD + chunk(EVENTS[0]) + LAST_CHUNK,
        head(f"Content-Length: {len(EVENTS[0])}") + EVENTS[0],
    ],
    ids=["no bytes", "no chunks", "a comment", "chunked", "counted"],
)
def test_the_end_is_seen_though_the_connection_stays_open(answer: bytes) -> None:
    """And the next question goes over the same connection."""
    with raw_upstream(answer, Act.AWAIT_REQUEST, answer, Act.AWAIT_CLOSE) as upstream:
        asked = Upstream(settings_for(upstream.url, idle_timeout_seconds=2.0))
        for _ in range(2):
            payloads = []
            with suppress(UpstreamError):  # that there was no event
                payloads += [p for p in payloads_of(asked) if p is not None]
            assert payloads == (["one"] if EVENTS[0] in answer else [])
    assert len(upstream.heads) == 2


def test_a_line_end_that_comes_late_does_not_take_the_callers_turns() -> None:
    """The line end of a chunk arrives while the adapter waits, and nothing comes after it."""
    gate = threading.Event()
    sent = CHUNKED_HEAD + chunk(EVENTS[0]).removesuffix(b"\r\n")
    with (
        raw_upstream(sent, gate, b"\r\n", Act.AWAIT_CLOSE) as upstream,
        closing(told(upstream)) as payloads,
    ):
        assert next_but(None, payloads) == "one"
        threading.Timer(0.05, gate.set).start()
        assert [next(payloads) for _ in range(2)] == [None, None]
        payloads.close()
        assert upstream.left.wait(PATIENCE_SECONDS)


def test_a_system_without_poll_will_do() -> None:
    """Windows has none."""
    program = (
        "import select, sys; del select.poll\n"
        "from llm_proxy.adapter.upstream import Upstream\n"
        "from llm_proxy.settings import AdapterSettings\n"
        "told = Upstream(AdapterSettings(url=sys.argv[1])).payloads('why?')\n"
        "print([payload for batch in told for payload in batch or ()])"
    )
    with raw_upstream(*chunked(EVENTS)) as upstream:
        ended = subprocess.run(
            [sys.executable, "-c", program, upstream.url],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
        )
    assert (ended.stdout.strip(), ended.stderr) == (repr(WORDS), "")


def test_no_compression_is_asked_for() -> None:
    """A server that compresses may hold words back until a block of them is full."""
    with raw_upstream(CLOSING_HEAD + EVENTS[0]) as upstream:
        assert list(told(upstream)) == ["one"]
    assert "accept-encoding: identity" in upstream.heads[0].lower()


BUFFER_BYTES = 8192
"""What http.client reads at once into the buffer before the body."""


@contextmanager
def tls_payloads(certificate: Path, *script: Step) -> Iterator[Payloads]:
    """The payloads of an upstream that speaks HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with raw_upstream(*script, tls=context) as upstream:
        settings = settings_for(upstream.url, ca_file=str(certificate))
        with closing(payloads_of(Upstream(settings))) as payloads:
            yield payloads


@pytest.mark.parametrize("framing", [chunked, until_closed, content_length])
def test_https_is_as_prompt(certificate: Path, framing: Callable[[Pieces], Pieces]) -> None:
    first, *rest = framing(EVENTS)
    gates = [threading.Event() for _ in rest]
    script: list[Step] = [first]
    for gate, piece in zip(gates, rest, strict=True):
        script += [gate, piece]
    with tls_payloads(certificate, *script) as payloads:
        for gate, sent in zip(gates, WORDS, strict=False):
            assert next(payloads) is None
            gate.set()
            assert next_but(None, payloads) == sent
        gates[-1].set()
        assert [payload for payload in payloads if payload is not None] == []


@pytest.mark.parametrize("missing", range(4))
def test_what_has_been_decrypted_already_is_not_waited_for(certificate: Path, missing: int) -> None:
    """The buffer ends around the line end of a chunk; the next chunk is in the same TLS record."""
    around = len(CHUNKED_HEAD) + len(chunk(b"x" * 0xFFF)) - 0xFFF
    first = event("x" * (BUFFER_BYTES - around - missing - len(event(""))))
    answer = CHUNKED_HEAD + chunk(first) + chunk(event("behind"))
    assert BUFFER_BYTES < len(answer) < 16384  # RFC 8446, 5.1: the longest record
    with tls_payloads(certificate, answer, Act.AWAIT_CLOSE) as payloads:
        assert len(next_but(None, payloads) or "") == len(first) - len(event(""))
        assert next_but(None, payloads) == "behind"


def test_a_certificate_of_an_unknown_authority_is_an_error_that_names_the_setting(
    certificate: Path,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with (
        raw_upstream(CLOSING_HEAD + EVENTS[0], tls=context) as upstream,
        pytest.raises(UpstreamError) as caught,
    ):
        list(told(upstream))
    assert (caught.value.status, caught.value.code, caught.value.message) == (
        502,
        "upstream_failed",
        "No secure connection to the legacy search API can be made. Check its certificate, "
        "that its authority is known (STREAM_CA_FILE), and that STREAM_URL says https rightly.",
    )


def test_a_handshake_that_hangs_ends_with_the_limit_on_connecting() -> None:
    with raw_upstream(b"") as upstream:  # waits for a request in plain text
        settings = settings_for(
            upstream.url.replace("http:", "https:"), connect_timeout_seconds=0.5
        )
        with pytest.raises(UpstreamTimeout, match="STREAM_CONNECT_TIMEOUT"):
            list(payloads_of(Upstream(settings)))
        assert upstream.ended.acquire(timeout=1.0)
