"""The adapter under gunicorn, before an upstream that is a bare socket: what arrives, and when.

The upstream sends a word only after the client has received the one before it: whoever held
something back on the way would wait for ever.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.body_framings import FRAMINGS, Pieces
from tests.builders import chat_document
from tests.raw_upstream import (
    CHUNKED_HEAD,
    CLOSING_HEAD,
    LAST_CHUNK,
    PATIENCE_SECONDS,
    Act,
    RawUpstream,
    Step,
    Ticking,
    chunk,
    event,
    raw_upstream,
    ticked,
    word,
)
from tests.servers import Running, Server, new_session, running_gunicorn, worker

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

CHAT = "/adapter/v1/chat/completions"
WORDS = ["one", "two", "three"]

Half = tuple[Server, RawUpstream]


@pytest.fixture(scope="module")
def half(gunicorn: Running) -> Iterator[Half]:
    """A server and the upstream behind it, whose script each test sets."""
    with (
        raw_upstream(CLOSING_HEAD) as upstream,
        gunicorn(
            STREAM_URL=upstream.url, STREAM_BREAKER_FAILURES="0", STREAM_MAX_EVENT_BYTES="100000"
        ) as server,
    ):
        yield server, upstream


@contextmanager
def asked(server: Server, **fields: Any) -> Iterator[requests.Response]:
    with (
        new_session() as session,
        session.post(
            server.url + CHAT,
            json=chat_document("why?", stream=True, **fields),
            headers={"Connection": "close"},
            stream=True,
            timeout=PATIENCE_SECONDS,
        ) as response,
    ):
        yield response


def told(response: requests.Response) -> Iterator[str]:
    """The words of a stream as they arrive, then its finish reason, or the code of its error."""
    assert response.status_code == 200, response.text
    for line in response.iter_lines(chunk_size=None):
        if line.startswith(b"data: {"):
            document = json.loads(line[6:])
            if "error" in document:
                yield f"<{document['error']['code']}>"
                continue
            choice = document["choices"][0]
            if text := choice["delta"].get("content"):
                yield text.strip(" ")
            elif choice["finish_reason"]:
                yield f"<{choice['finish_reason']}>"
        elif line == b"data: [DONE]":
            yield "<done>"


def answer(half: Half, *script: Step) -> list[str]:
    server, upstream = half
    upstream.plays(*script)
    with asked(server) as response:
        return list(told(response))


def assert_prompt(half: Half, first: bytes, pieces: Sequence[bytes], end: bytes) -> None:
    """Each piece brings the next of WORDS to the client, before the next piece is sent."""
    server, upstream = half
    gates = [threading.Event() for _ in [*pieces, end]]
    upstream.plays(first, *[x for pair in zip(gates, [*pieces, end], strict=True) for x in pair])
    gates[0].set()
    with asked(server) as response:
        received = told(response)
        for gate, text in zip(gates[1:], WORDS, strict=True):
            assert next(received) == text
            gate.set()
        assert list(received) == ["<stop>", "<done>"]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_each_word_reaches_the_client_before_the_next_is_sent(
    half: Half, framing: Callable[[Pieces], Pieces]
) -> None:
    first, *pieces, end = framing([word(text) for text in WORDS])
    assert_prompt(half, first, pieces, end)


SINGLE_LINES: dict[str, Callable[[str], bytes]] = {
    "text": lambda text: f"data: {text}\n".encode(),
    "literal": lambda text: word(text)[:-1],
    "json": lambda text: b'data: {"type": "response", "data": "%b"}\n' % text.encode(),
    "text, CRLF": lambda text: f"data:{text}\r\n".encode(),
    "literal, CR": lambda text: word(text)[:-2] + b"\r",
    "a blank line before each": lambda text: b"\n" + word(text)[:-1],
    "a blank line with a space": lambda text: b"data: " + text.encode() + b"\n \n",
    "LF CRLF": lambda text: b"data: " + text.encode() + b"\n\r\n",
    "CRLF CRLF": lambda text: b"data: " + text.encode() + b"\r\n\r\n",
    "CR CR": lambda text: b"data: " + text.encode() + b"\r\r",
    "fields and comments": lambda text: b"id: 1\nretry: 5\n: hm\nevent:x\n" + word(text),
    "several lines": lambda text: (
        b'data: {"type": "response",\ndata: "data": "%b"}\n\n' % text.encode()
    ),
}


@pytest.mark.parametrize("line", SINGLE_LINES)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
def test_however_events_are_separated_they_are_not_held_back(
    half: Half, line: str, mark: bytes
) -> None:
    written = SINGLE_LINES[line]
    assert_prompt(half, CLOSING_HEAD + mark, [written(text) for text in WORDS], b"")


@pytest.mark.parametrize("line", SINGLE_LINES)
def test_byte_by_byte_the_words_are_the_same(half: Half, line: str) -> None:
    body = b"".join(SINGLE_LINES[line](text) for text in WORDS)
    script = [chunk(body[place : place + 1]) for place in range(len(body))]
    assert answer(half, CHUNKED_HEAD, *script, LAST_CHUNK) == [*WORDS, "<stop>", "<done>"]


def test_a_stream_of_single_lines_without_a_pause_is_not_kept_to_its_end(half: Half) -> None:
    """A word each 20 ms: never quiet for as long as a line is waited on."""
    lines: list[Step] = [b"data: word\n", Ticking()] * 20
    gate = threading.Event()
    server, upstream = half
    upstream.plays(CLOSING_HEAD, *lines, gate)
    with asked(server) as response:
        received = told(response)
        assert [next(received) for _ in range(20)] == ["word"] * 20
        gate.set()
        assert list(received) == ["<stop>", "<done>"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"data: na\xefve\n\n", ["na\ufffdve"]),
        (b"data: a\0b\n\n", ["a\0b"]),
        ("data: a\u2028b\u2029c\x85d\n\n".encode(), ["a\u2028b\u2029c\x85d"]),
        (b"data: one\ndata: two\n\n", ["one\ntwo"]),
        (b"data: one\n\ndata: two\n", ["one", "two"]),
        (event("one") + b"data: " + b"x" * 90_000 + b"\n\n", ["one", "x" * 90_000]),
    ],
    ids=["invalid UTF-8", "NUL", "line separators", "lines", "no blank line", "big"],
)
def test_odd_events_are_passed_on(half: Half, sent: bytes, words: list[str]) -> None:
    assert answer(half, CLOSING_HEAD + sent) == [*words, "<stop>", "<done>"]


@pytest.mark.parametrize(
    "tail",
    [
        *(b"dat", b"data: tw", b"data: {'type': 'resp", b"data: {'type': 'response',\n"),
        *(b"data: {", b"data: {'type': 'response', 'data': 'tw"),
    ],
)
def test_a_truncated_event_is_an_error_and_never_text(half: Half, tail: bytes) -> None:
    sent = CLOSING_HEAD + word("one") + tail
    assert answer(half, sent) == ["one", "<upstream_failed>"]


@linux
def test_an_event_that_grows_beyond_its_limit_is_an_error_in_bounded_memory(half: Half) -> None:
    piece = b"x" * 65536
    endless: list[Step] = [CLOSING_HEAD + word("one") + b"data: ", *[piece] * 4000]
    assert answer(half, *endless) == ["one", "<upstream_failed>"]
    status = (worker(half[0]) / "status").read_text()
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    assert int(peak) < 150_000, "kilobytes; 256 MiB were sent"


@pytest.mark.parametrize(
    "ending",
    [[Act.RESET], [], [b"zz\r\n"], [chunk(b"data: {'type'")]],
    ids=["reset", "closed", "no chunk size", "half an event"],
)
def test_a_failure_in_the_middle_is_one_error_event_in_a_body_that_ends(
    half: Half, ending: list[Step]
) -> None:
    """What came stays; no finish reason, no [DONE]; the last chunk is sent, or requests raises."""
    script: list[Step] = [CHUNKED_HEAD + chunk(word("one")) + chunk(word("two")), *ending]
    assert answer(half, *script) == ["one", "two", "<upstream_failed>"]


def test_a_waiting_client_is_sent_comments_before_the_upstream_has_answered() -> None:
    gate = threading.Event()
    with (
        raw_upstream(gate, CLOSING_HEAD + word("one")) as upstream,
        running_gunicorn(STREAM_URL=upstream.url, LLM_PROXY_KEEPALIVE_SECONDS="0.3") as server,
        asked(server) as response,
    ):
        assert response.status_code == 200
        lines = response.iter_lines(chunk_size=None)
        assert [next(lines) for _ in range(3)] == [b": keep-alive", b"", b": keep-alive"]
        gate.set()
        assert b"data: [DONE]" in list(lines)


def test_sigterm_lets_a_running_answer_finish() -> None:
    gate = threading.Event()
    with (
        raw_upstream(CLOSING_HEAD + word("one"), gate, word("two")) as upstream,
        running_gunicorn(STREAM_URL=upstream.url) as server,
        asked(server) as response,
    ):
        received = told(response)
        assert next(received) == "one"
        server.process.terminate()
        server.wait_for_log(lambda line: "Handling signal: term" in line)
        gate.set()
        assert list(received) == ["two", "<stop>", "<done>"]
        response.close()
        assert server.process.wait(PATIENCE_SECONDS * 3) == 0


DRIBBLED: dict[str, list[Step]] = {
    "silent before the head": [Act.AWAIT_CLOSE],
    "dribbling its head": [b"HTTP/1.1 200 OK\r\nX: ", *ticked(b"x")],
    "silent": [CHUNKED_HEAD + chunk(word("one")), Act.AWAIT_CLOSE],
    "dribbling a chunk size": [CHUNKED_HEAD + chunk(word("one")), *ticked(b"0")],
    "sending comments": [CLOSING_HEAD + word("one"), *ticked(b": hm\n")],
    "sending half an event": [CLOSING_HEAD + word("one"), b"data: ", *ticked(b"x")],
}


@pytest.mark.parametrize("script", DRIBBLED)
@pytest.mark.parametrize("limit", ["STREAM_IDLE_TIMEOUT", "STREAM_TOTAL_TIMEOUT"])
def test_limits_are_exact_to_a_second(script: str, limit: str) -> None:
    """Comments and pieces of an event are no silence: they are ended by the total limit."""
    talks = script in ("sending comments", "sending half an event")
    if limit == "STREAM_IDLE_TIMEOUT" and talks:
        pytest.skip("it is not silent")
    with (
        raw_upstream(*DRIBBLED[script]) as upstream,
        running_gunicorn(STREAM_URL=upstream.url, **{limit: "1.5"}) as server,
    ):
        began = time.monotonic()
        response = server.request("POST", CHAT, json=chat_document())
        took = time.monotonic() - began
        assert upstream.left.wait(1.0)
    assert (response.status_code, response.headers["x-should-retry"]) == (504, "false")
    assert limit in response.json()["error"]["message"]
    assert 1.4 < took < 2.5
