"""A call holds little, ends with its body or when it is given up, and leaves no thread busy."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from llm_proxy.adapter.upstream import Upstream
from llm_proxy.upstream.ahead import MAX_HELD_BYTES, CallAhead
from llm_proxy.upstream.connections import session
from llm_proxy.work.threads import Threads
from tests.raw_upstream import (
    CHUNKED_HEAD,
    CLOSING_HEAD,
    LAST_CHUNK,
    PATIENCE_SECONDS,
    Act,
    Step,
    chunk,
    event,
    next_but,
    payloads_of,
    raw_upstream,
    settings_for,
)
from tests.scraped import eventually

PIECE = event("x" * 65536)


class Counted(threading.Event):
    """An event that has happened, and counts how often it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        self.count += 1
        return True

    def wait_for_standstill(self) -> int:
        """What it has counted, once it counts no further."""
        seen = -1
        while seen != self.count:
            seen = self.count
            threading.Event().wait(0.3)
        return seen


def test_a_client_that_is_slow_slows_the_upstream_down() -> None:
    sent = Counted()
    pieces: list[Step] = [PIECE, sent] * 2000
    with raw_upstream(CLOSING_HEAD, *pieces) as upstream:
        payloads = payloads_of(Upstream(settings_for(upstream.url)))
        assert next_but(None, payloads)
        assert sent.wait_for_standstill() < 500, "the rest of it waits at the upstream"
        payloads.close()
        assert upstream.left.wait(PATIENCE_SECONDS)


def test_a_wait_for_the_client_is_no_silence_of_the_upstream() -> None:
    with raw_upstream(CLOSING_HEAD, *[PIECE] * 100) as upstream:
        settings = settings_for(upstream.url, idle_timeout_seconds=0.3)
        payloads = payloads_of(Upstream(settings))
        assert next_but(None, payloads)
        threading.Event().wait(0.5)
        assert sum(payload is not None for payload in payloads) == 99


def test_the_thread_is_free_with_the_head_and_the_connection_with_the_body() -> None:
    answer = CHUNKED_HEAD + chunk(event("one"))
    gates = [threading.Event() for _ in range(2)]
    script: list[Step] = [answer, gates[0], LAST_CHUNK, Act.AWAIT_REQUEST, answer, gates[1]]
    with raw_upstream(*script, LAST_CHUNK) as upstream:
        asked = Upstream(settings_for(upstream.url))
        for gate in gates:
            payloads = payloads_of(asked)
            assert next_but(None, payloads) == "one"
            eventually(lambda: asked.threads.idle, 1)
            gate.set()
            assert [payload for payload in payloads if payload is not None] == []
            payloads.close()  # comes too late to end a connection that somebody else may have
        assert (len(upstream.heads), upstream.connections) == (2, 1)


def test_a_connection_is_not_used_again_after_more_than_was_asked_for() -> None:
    answer = CHUNKED_HEAD + chunk(event("one")) + LAST_CHUNK
    with raw_upstream(answer + answer, Act.AWAIT_CLOSE) as upstream:
        asked = Upstream(settings_for(upstream.url))
        for number in range(2):
            assert next_but(None, payloads := payloads_of(asked)) == "one"
            assert [payload for payload in payloads if payload is not None] == []
            assert upstream.connections == number + 1


def test_a_call_that_was_never_begun_is_none() -> None:
    upstream = Upstream(settings_for("http://127.0.0.1:1/"))
    upstream.payloads("why?").close()
    assert upstream.threads.idle == 0


def test_a_thread_is_used_again_and_ends_when_there_is_nothing_to_do() -> None:
    threads = Threads("kept", idle_seconds=0.2)
    seen: list[threading.Thread] = []
    for _ in range(3):
        threads.run(lambda: seen.append(threading.current_thread()))
        eventually(lambda: threads.idle, 1)
    assert len(seen) == 3
    assert len(set(seen)) == 1
    seen[0].join(PATIENCE_SECONDS)
    assert (seen[0].is_alive(), threads.idle) == (False, 0)


def test_work_that_comes_at_once_is_done_at_once() -> None:
    threads, together = Threads("kept", idle_seconds=0.2), threading.Barrier(5)

    def work() -> None:
        together.wait(PATIENCE_SECONDS)

    for _ in range(4):
        threads.run(work)
    together.wait(PATIENCE_SECONDS)
    eventually(lambda: threads.idle, 4)
    eventually(lambda: threads.idle, 0)


@contextmanager
def ahead(url: str) -> Iterator[CallAhead]:
    """A call that reads ahead, in a thread that is free in the end."""
    threads = Threads("ahead", idle_seconds=PATIENCE_SECONDS)
    asking = session()

    def ask(_: object) -> requests.Response:
        return asking.get(url, stream=True, timeout=(PATIENCE_SECONDS, None))

    call = CallAhead(ask)
    threads.run(call.run)
    yield call
    call.give_up()
    eventually(lambda: threads.idle, 1)


def received(call: CallAhead) -> bytes:
    while (piece := call.receive(PATIENCE_SECONDS)) is None:
        pass
    return piece


def test_who_reads_ahead_knows_when_a_piece_came_and_holds_little() -> None:
    sent = Counted()
    pieces: list[Step] = [PIECE, sent] * 2000
    with raw_upstream(CLOSING_HEAD, *pieces) as upstream, ahead(upstream.url) as call:
        assert sent.wait_for_standstill() < 500, "the rest of it waits at the upstream"
        assert call._held_bytes < MAX_HELD_BYTES + len(PIECE)
        asked_at = time.monotonic()
        assert received(call)
        assert call.arrived_at < asked_at - 0.2


class LookedAway(threading.Condition):
    """A condition that runs `meanwhile`, once, as soon as whoever waited for it has let it go."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile: Callable[[], None] | None = meanwhile

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()


def test_a_piece_that_comes_just_before_the_body_breaks_off_is_not_lost() -> None:
    """Both come after the caller has looked for a piece in vain."""
    call = CallAhead(lambda _: requests.Response())

    def last() -> None:
        call._keep(b"last")
        call._break_off(ConnectionResetError())

    call._changed = LookedAway(last)
    assert [call.receive(0.0), call.receive(0.0)] == [None, b"last"]
    with pytest.raises(ConnectionResetError):
        call.receive(0.0)


def test_who_reads_ahead_gets_all_of_it_and_then_the_end() -> None:
    with raw_upstream(CHUNKED_HEAD + chunk(PIECE) + LAST_CHUNK) as upstream:
        with ahead(upstream.url) as call:
            pieces = list(iter(lambda: received(call), b""))
        assert b"".join(pieces) == PIECE
