"""A call holds little, ends with its body or when it is given up, and leaves no thread."""

import threading

from llm_proxy.adapter.upstream import Upstream
from llm_proxy.upstream.call import MAX_HELD_BYTES
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
    raw_upstream,
    settings_for,
)

PIECE = event("x" * 65536)


class Counted(threading.Event):
    """An event that has happened, and counts how often it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        self.count += 1
        return True


def calls() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "upstream-call"]


def test_a_client_that_is_slow_slows_the_upstream_down() -> None:
    sent = Counted()
    pieces: list[Step] = [PIECE, sent] * 2000
    with raw_upstream(CLOSING_HEAD, *pieces) as upstream:
        payloads = Upstream(settings_for(upstream.url)).payloads("why?")
        assert next_but(None, payloads)
        seen = -1
        while seen != sent.count:
            seen = sent.count
            threading.Event().wait(0.3)
        (call,) = calls()
        assert call._held_bytes < MAX_HELD_BYTES + len(PIECE)  # type: ignore[attr-defined]
        assert seen < 500, "the rest of it waits at the upstream"
        payloads.close()
        assert upstream.left.wait(PATIENCE_SECONDS)
        call.join(1.0)
    assert not call.is_alive()


def test_a_wait_for_the_client_is_no_silence_of_the_upstream() -> None:
    with raw_upstream(CLOSING_HEAD, *[PIECE] * 100) as upstream:
        settings = settings_for(upstream.url, idle_timeout_seconds=0.3)
        payloads = Upstream(settings).payloads("why?")
        assert next_but(None, payloads)
        threading.Event().wait(0.5)
        assert sum(payload is not None for payload in payloads) == 99


def test_the_thread_ends_with_the_body_though_the_connection_is_kept() -> None:
    answer = CHUNKED_HEAD + chunk(event("one")) + LAST_CHUNK
    with raw_upstream(answer, Act.AWAIT_REQUEST, answer) as upstream:
        asked = Upstream(settings_for(upstream.url))
        for _ in range(2):
            payloads = asked.payloads("why?")
            assert next_but(None, payloads) == "one"
            running = calls()
            assert [payload for payload in payloads if payload is not None] == []
            for call in running:
                call.join(1.0)
                assert not call.is_alive()
            payloads.close()  # comes too late to end a connection that somebody else may have
        assert (len(upstream.heads), upstream.connections) == (2, 1)


def test_a_call_that_was_never_begun_is_none() -> None:
    Upstream(settings_for("http://127.0.0.1:1/")).payloads("why?").close()
    assert calls() == []
