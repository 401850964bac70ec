"""Streams over real sockets: many at once, long, cut off by either side, and silent."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from openai import DefaultHttpxClient, OpenAI

from tests.builders import chat_document
from tests.raw_client import sent
from tests.servers import PATIENCE_SECONDS, Running, Server, new_session

SIMULTANEOUS = 16
CHAT = "/v1/chat/completions"
KEEP_ALIVE = b": keep-alive"
DONE = b"data: [DONE]"


@pytest.fixture(scope="module")
def stalling(gunicorn: Running) -> Iterator[Server]:
    """Sends the first word at once and the second one after minutes."""
    with gunicorn(MOCK_REPLY="echo", MOCK_TOKENS_PER_SECOND="0.01") as server:
        yield server


@pytest.fixture(scope="module")
def silent(gunicorn: Running) -> Iterator[Server]:
    """Sends nothing for a minute: neither a first word nor a comment."""
    with gunicorn(MOCK_TTFT_MS="60000", LLM_PROXY_KEEPALIVE_SECONDS="0") as server:
        yield server


@pytest.fixture(scope="module")
def hesitant(gunicorn: Running) -> Iterator[Server]:
    """Sends comments for half a second, then the whole answer; and takes short requests only."""
    with gunicorn(
        MOCK_REPLY="echo",
        MOCK_TTFT_MS="500",
        LLM_PROXY_KEEPALIVE_SECONDS="0.1",
        LLM_PROXY_MAX_BODY_BYTES="4096",
    ) as server:
        yield server


def request(text: str = "one two three", *, stream: bool = True) -> dict[str, Any]:
    return {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": text}],
        "stream": stream,
    }


@contextmanager
def streaming(server: Server, text: str = "one two three") -> Iterator[Iterator[bytes]]:
    """The lines of a stream as they arrive, empty ones left out; leaving hangs up."""
    with (
        new_session() as session,
        session.post(
            server.url + CHAT, json=request(text), stream=True, timeout=PATIENCE_SECONDS
        ) as response,
    ):
        assert response.status_code == 200
        yield filter(None, response.iter_lines(chunk_size=None))


def word(line: bytes) -> str | None:
    """The text that a line of a stream adds, if it adds any."""
    if not line.startswith(b"data: {"):
        return None
    content: str | None = json.loads(line[6:])["choices"][0]["delta"].get("content")
    return content or None


def words(lines: Iterator[bytes]) -> Iterator[str]:
    return filter(None, map(word, lines))


def has_left(line: str) -> bool:
    return 'end="client gone"' in line


def is_done(line: str) -> bool:
    return "end=done" in line


@contextmanager
def asked(server: Server, body: dict[str, Any]) -> Iterator[http.client.HTTPConnection]:
    """A connection on which a request was sent and nothing was read; leaving hangs up."""
    address = urlsplit(server.url).netloc
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", CHAT, json.dumps(body), {"Content-Type": "application/json"})
        yield connection
    finally:
        connection.close()


def test_sixteen_streams_have_all_begun_before_one_is_finished(gunicorn: Running) -> None:
    with gunicorn(MOCK_REPLY="echo", MOCK_TOKENS_PER_SECOND="20") as server:
        with ExitStack() as stack:
            streams = [
                words(stack.enter_context(streaming(server, "word " * 1000)))
                for _ in range(SIMULTANEOUS)
            ]
            assert [next(stream) for stream in streams] == ["word "] * SIMULTANEOUS
            # Each goes on while all the others are open.
            assert [next(stream) for stream in streams] == ["word "] * SIMULTANEOUS
            assert not any(" end=" in line for line in server.log_lines())
        server.wait_for_logs(SIMULTANEOUS, has_left)


def test_a_stream_outlives_the_worker_timeout_of_gunicorn(gunicorn: Running) -> None:
    """It lives twice as long; a comment would be seen, too, if 0 did not mean never."""
    text = "".join(f"{number:03} " for number in range(46))
    with gunicorn(
        *("--timeout", "2"),
        MOCK_REPLY="echo",
        MOCK_TTFT_MS="500",
        MOCK_TOKENS_PER_SECOND="10",
        LLM_PROXY_KEEPALIVE_SECONDS="0",
    ) as server:
        began = time.monotonic()
        with streaming(server, text) as lines:
            received = list(lines)
        assert time.monotonic() - began > 4
        assert "".join(words(iter(received))) == text
        assert received[-1] == DONE
        assert KEEP_ALIVE not in received
        server.wait_for_log(is_done)


def test_sigterm_lets_a_running_stream_finish_and_ends_the_server_with_success(
    gunicorn: Running,
) -> None:
    with gunicorn(MOCK_REPLY="echo", MOCK_TOKENS_PER_SECOND="10") as server:
        with streaming(server, "abc " * 20) as lines:
            assert next(words(lines)) == "abc "
            server.process.terminate()
            *rest, last = lines
        assert "".join(words(iter(rest))) == "abc " * 19
        assert last == DONE
        assert server.process.wait(PATIENCE_SECONDS) == 0
        assert stories(server) == ["asked to end", "stream done", "ended"]


def stories(server: Server) -> list[str]:
    """What the log tells of the end, in order."""
    told = {
        "Handling signal: term": "asked to end",
        "end=done": "stream done",
        "Shutting down: Master": "ended",
    }
    return [
        story
        for line in server.wait_for_logs(3, lambda line: any(sign in line for sign in told))
        for sign, story in told.items()
        if sign in line
    ]


def test_sigterm_lets_a_request_without_a_stream_finish(gunicorn: Running) -> None:
    with (
        gunicorn(MOCK_REPLY="echo", MOCK_TTFT_MS="1000") as server,
        asked(server, request("hello", stream=False)) as connection,
    ):
        assert server.request("GET", "/health").status_code == 200  # so it has begun
        server.process.terminate()
        answer = json.load(connection.getresponse())
        assert answer["choices"][0]["message"]["content"] == "hello"
        connection.close()  # an idle connection would be waited for
        assert server.process.wait(PATIENCE_SECONDS) == 0


def test_a_client_that_leaves_between_two_words_is_noticed_at_once(stalling: Server) -> None:
    with streaming(stalling) as lines:
        assert next(words(lines)) == "one "
    assert " 200 model=gpt-4o stream=true " in stalling.wait_for_log(has_left)


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "not streaming"])
def test_a_client_that_leaves_before_the_first_word_is_noticed_at_once(
    silent: Server, stream: bool
) -> None:
    with asked(silent, request(stream=stream)):
        assert silent.request("GET", "/health").status_code == 200  # so it has begun
    asked_so = f" 499 model=gpt-4o stream={str(stream).lower()} "
    silent.wait_for_log(lambda line: has_left(line) and asked_so in line)


def test_streams_are_served_by_https_too(gunicorn: Running, certificate: Path) -> None:
    files = ("--certfile", str(certificate), "--keyfile", str(certificate))
    with gunicorn(*files, MOCK_REPLY="echo") as server, new_session() as session:
        for _ in range(2):
            answer = session.post(
                f"{server.url}{CHAT}",
                json=chat_document("hi", stream=True),
                timeout=PATIENCE_SECONDS,
                verify=str(certificate),
            )
            assert (answer.status_code, answer.content[-14:]) == (200, b"data: [DONE]\n\n")


def test_a_stream_leaves_the_connection_fit_for_the_next_request(hesitant: Server) -> None:
    with asked(hesitant, request(stream=True)) as connection:
        connection.auto_open = False  # a connection closed by the server stays closed
        streamed = connection.getresponse()
        assert streamed.getheader("Transfer-Encoding") == "chunked"
        assert streamed.read().endswith(DONE + b"\n\n")
        connection.request("POST", CHAT, json.dumps(request(stream=False)))
        whole = connection.getresponse()
        assert whole.getheader("Transfer-Encoding") is None
        assert json.load(whole)["object"] == "chat.completion"
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b'{"status":"ok"}'


@pytest.mark.parametrize("length", [5_000, 500_000])
def test_a_refused_body_leaves_the_connection_fit_for_the_next_request_or_says_so(
    hesitant: Server, length: int
) -> None:
    with asked(hesitant, request("x" * length)) as connection:
        connection.auto_open = False  # a connection closed by the server stays closed
        refused = connection.getresponse()
        assert refused.status == 413
        refused.read()
        if not refused.will_close:
            connection.request("GET", "/health")
            assert connection.getresponse().status == 200


def test_a_silence_is_filled_with_comments_until_the_first_word(hesitant: Server) -> None:
    with streaming(hesitant) as lines:
        received = list(lines)
    comments = received.count(KEEP_ALIVE)
    assert comments >= 2
    assert received[:comments] == [KEEP_ALIVE] * comments
    assert [word(line) for line in received[comments:]] == [
        *(None, "one ", "two ", "three"),  # None: the role
        *(None, None),  # the finish reason, [DONE]
    ]


def test_the_openai_client_passes_over_comments(hesitant: Server) -> None:
    with OpenAI(
        base_url=hesitant.url + "/v1",
        api_key="x",
        max_retries=0,
        timeout=PATIENCE_SECONDS,
        http_client=DefaultHttpxClient(trust_env=False),
    ) as client:
        chunks = list(
            client.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": "one two three"}],
                stream=True,
            )
        )
    assert [chunk.choices[0].delta.content for chunk in chunks] == [
        *("", "one ", "two ", "three"),
        None,
    ]


def test_hundreds_of_streams_keep_nobody_waiting(stalling: Server) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(sent(stalling.url, CHAT, request())) for _ in range(300)]
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"
        assert stalling.request("GET", "/health").status_code == 200
