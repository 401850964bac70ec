"""Clients that leave: the upstream is let go at once, and nothing of the call remains."""

import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.builders import chat_document
from tests.raw_upstream import (
    CHUNKED_HEAD,
    CLOSING_HEAD,
    PATIENCE_SECONDS,
    Act,
    RawUpstream,
    Step,
    chunk,
    raw_upstream,
    ticked,
    word,
)
from tests.servers import Running, Server, worker

CHAT = "/adapter/v1/chat/completions"
AT_ONCE = 16
ABORTS = 1000
ONE_EACH = ("--threads", str(AT_ONCE))
"""As many threads in gunicorn's pool as there are clients, so that it is soon complete."""

GEVENTS_OWN_THREADS = 11
"""It looks names up in ten, beside the main one. So few are surely no thread for each client."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")


SILENT: dict[str, list[Step]] = {
    "before the head": [Act.AWAIT_CLOSE],
    "within the head": [CHUNKED_HEAD[:30], Act.AWAIT_CLOSE],
    "before a word": [CHUNKED_HEAD, Act.AWAIT_CLOSE],
    "after a word": [CHUNKED_HEAD + chunk(word("one")), Act.AWAIT_CLOSE],
    "within a chunk size": [CHUNKED_HEAD + chunk(word("one")) + b"1", Act.AWAIT_CLOSE],
}
TALKING: dict[str, list[Step]] = {
    "talking": [CLOSING_HEAD, *ticked(word("one"))],
    "talking in comments": [CLOSING_HEAD, *ticked(b": ping\n\n")],
    "talking in bits of a chunk size": [CHUNKED_HEAD, *ticked(b"0")],
}
SCRIPTS = SILENT | TALKING


@contextmanager
def asked(server: Server, **fields: Any) -> Iterator[http.client.HTTPConnection]:
    """A connection on which a question was put and nothing was read; leaving hangs up."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE_SECONDS)
    try:
        document = json.dumps(chat_document(**fields))
        connection.request("POST", CHAT, document, {"Content-Type": "application/json"})
        yield connection
    finally:
        connection.close()


class Remains(NamedTuple):
    """What a process holds."""

    threads: int
    sockets: int

    def __le__(self, other: tuple[int, ...]) -> bool:
        return all(mine <= theirs for mine, theirs in zip(self, other, strict=True))


@pytest.fixture(scope="module")
def half(gunicorn: Running) -> Iterator[tuple[Server, RawUpstream]]:
    """A server and the upstream behind it, whose script each test sets."""
    with raw_upstream(CLOSING_HEAD) as upstream, gunicorn(STREAM_URL=upstream.url) as server:
        yield server, upstream


@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "not streaming"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_upstream_is_let_go_within_a_second(
    half: tuple[Server, RawUpstream], script: str, stream: bool
) -> None:
    server, upstream = half
    upstream.plays(*SCRIPTS[script])
    model = f"{script}-{stream}".replace(" ", "-")
    with asked(server, stream=stream, model=model):
        assert upstream.requested.acquire(timeout=PATIENCE_SECONDS)
    left_at = time.monotonic()
    assert upstream.ended.acquire(timeout=PATIENCE_SECONDS)
    assert time.monotonic() - left_at < 1.0
    line = server.wait_for_log(lambda line: f" model={model} " in line)
    assert ' end="client gone"' in line
    assert " upstream_end=left " in line


@linux
def test_after_a_thousand_aborts_no_thread_and_no_socket_remains(gunicorn: Running) -> None:
    """Streaming or not, before the head and after a word, by turns."""
    with (
        raw_upstream(*SILENT["before the head"]) as mute,
        raw_upstream(*SILENT["after a word"]) as stalled,
        gunicorn(*ONE_EACH, STREAM_URL=mute.url) as first,
        gunicorn(*ONE_EACH, STREAM_URL=stalled.url) as second,
    ):

        def abort(number: int) -> None:
            server, upstream = ((first, mute), (second, stalled))[number % 2]
            with asked(server, stream=number % 4 < 2):
                assert upstream.requested.acquire(timeout=PATIENCE_SECONDS)

        with ThreadPoolExecutor(AT_ONCE) as clients:
            list(clients.map(abort, range(AT_ONCE * 8)))
            before = [remaining(server, AT_ONCE * 4) for server in (first, second)]
            list(clients.map(abort, range(ABORTS)))
        for server, then in zip((first, second), before, strict=True):
            most = Remains(max(then.threads, GEVENTS_OWN_THREADS), then.sockets)
            assert comes_back_to(most, server, AT_ONCE * 4 + ABORTS // 2)


def remaining(server: Server, gone: int) -> Remains:
    """What there is once so many clients have gone, and the system has had a moment."""
    server.wait_for_logs(gone, lambda line: 'end="client gone"' in line)
    process = worker(server)
    while True:
        seen = Remains(threads(process), sockets(process))
        time.sleep(0.5)
        if seen == Remains(threads(process), sockets(process)):
            return seen


def comes_back_to(before: Remains, server: Server, gone: int) -> bool:
    """Whether no more than before is left; threads are kept for a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not remaining(server, gone) <= before:
        if time.monotonic() > deadline:
            return False
    return True


def threads(process: Path) -> int:
    return sum(1 for _ in (process / "task").iterdir())


def sockets(process: Path) -> int:
    links = []
    for descriptor in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed in this very moment
            links.append(os.readlink(descriptor))
    return sum(link.startswith("socket:") for link in links)
