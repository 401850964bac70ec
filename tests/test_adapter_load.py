"""The load on the upstream: so many calls at once, and none for a while when it is down."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from llm_proxy.adapter.breaker import Breaker
from llm_proxy.adapter.gate import Gate
from llm_proxy.adapter.source import LegacySource
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.core.reply import Finish
from llm_proxy.errors import UpstreamBusy, UpstreamDown, UpstreamError
from tests.builders import chat_document, chat_request, client
from tests.raw_upstream import (
    CHUNKED_HEAD,
    CLOSING_HEAD,
    LAST_CHUNK,
    PATIENCE_SECONDS,
    Act,
    Step,
    chunk,
    event,
    head,
    next_but,
    payloads_of,
    raw_upstream,
    settings_for,
    word,
)
from tests.servers import running_gunicorn

CHAT = "/adapter/v1/chat/completions"


def entered(gate: Gate) -> bool:
    """Whether there was a place at once."""
    with closing(gate.enter()) as waiting:
        return next(waiting, "inside") == "inside"


def test_so_many_get_in_and_the_next_one_when_one_has_left() -> None:
    gate = Gate(2, PATIENCE_SECONDS)
    assert [entered(gate) for _ in range(3)] == [True, True, False]
    gate.leave()
    assert [entered(gate) for _ in range(2)] == [True, False]


def test_without_a_limit_all_get_in() -> None:
    gate = Gate(0, 0)
    assert all(entered(gate) for _ in range(1000))


def test_places_are_given_in_the_order_of_arrival() -> None:
    gate = Gate(1, PATIENCE_SECONDS)
    assert entered(gate)
    first, second = gate.enter(), gate.enter()
    assert [next(first), next(second)] == [None, None]
    gate.leave()
    assert not entered(gate)  # the place is the first one's, though it has not taken it yet
    assert [next(first, "inside"), next(second, "inside")] == ["inside", None]
    gate.leave()
    assert next(second, "inside") == "inside"


def test_a_place_given_to_one_who_has_just_gone_is_passed_on() -> None:
    gate = Gate(1, PATIENCE_SECONDS)
    assert entered(gate)
    gone, other = gate.enter(), gate.enter()
    assert [next(gone), next(other)] == [None, None]
    gate.leave()
    gone.close()
    assert next(other, "inside") == "inside"


def test_whoever_waits_in_vain_is_told_when_to_come_back() -> None:
    gate = Gate(1, 0.05)
    assert entered(gate)
    with pytest.raises(UpstreamBusy) as caught:
        list(gate.enter())
    error = caught.value
    assert (error.status, error.code, dict(error.headers)) == (
        503,
        "upstream_busy",
        {"Retry-After": "1"},
    )
    assert "overloaded" not in error.message
    gate.leave()
    assert entered(gate)


def test_the_place_is_free_again_however_a_call_ends() -> None:
    with raw_upstream(CHUNKED_HEAD + chunk(word("one")), Act.AWAIT_CLOSE) as upstream:
        settings = settings_for(upstream.url, max_calls=1, queue_timeout_seconds=0.0)
        asked = Upstream(settings)
        for _ in range(3):
            with closing(payloads_of(asked)) as payloads:
                assert next_but(None, payloads)
                with pytest.raises(UpstreamBusy):
                    list(payloads_of(asked))
    with raw_upstream(head(status="500 No")) as upstream:
        asked = Upstream(settings_for(upstream.url, max_calls=1, queue_timeout_seconds=0.0))
        for _ in range(3):
            with pytest.raises(UpstreamError, match="HTTP status 500"):
                list(payloads_of(asked))


def test_under_gunicorn_those_who_wait_get_their_turn_or_a_503() -> None:
    gate = threading.Event()
    with (
        raw_upstream(CLOSING_HEAD + word("one"), gate) as upstream,
        running_gunicorn(
            STREAM_URL=upstream.url, STREAM_MAX_CALLS="1", STREAM_QUEUE_TIMEOUT="0.5"
        ) as server,
    ):
        answers: list[Any] = []
        first = threading.Thread(
            target=lambda: answers.append(server.request("POST", CHAT, json=chat_document()))
        )
        first.start()
        assert upstream.asked.wait(PATIENCE_SECONDS)
        refused = server.request("POST", CHAT, json=chat_document())
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "x-should-retry" not in refused.headers
        assert refused.json()["error"]["code"] == "upstream_busy"
        gate.set()
        first.join(PATIENCE_SECONDS)
        assert answers[0].status_code == 200
        assert server.request("POST", CHAT, json=chat_document()).status_code == 200
        assert len(upstream.heads) == 2


def test_connections_are_used_again() -> None:
    answer = CHUNKED_HEAD + chunk(word("one")) + LAST_CHUNK
    script: list[Step] = [answer, Act.AWAIT_REQUEST] * 4
    with raw_upstream(*script, answer) as upstream:
        asked = Upstream(settings_for(upstream.url))
        for _ in range(5):
            assert [p for p in payloads_of(asked) if p is not None]
        assert (len(upstream.heads), upstream.connections) == (5, 1)


def test_so_they_are_after_an_answer_that_says_when_it_is_complete() -> None:
    """Nobody waits for the end of the body then; here it comes with the end mark."""
    answer = CHUNKED_HEAD + chunk(word("one")) + chunk(event("[DONE]")) + LAST_CHUNK
    with raw_upstream(answer, Act.AWAIT_REQUEST, answer) as upstream:
        adapter = settings_for(upstream.url)
        source = LegacySource(adapter, Upstream(adapter))
        for _ in range(2):
            assert Finish() in list(source.reply(chat_request("why?")))
        assert (len(upstream.heads), upstream.connections) == (2, 1)


def failed(breaker: Breaker, status: int | None = None) -> None:
    with pytest.raises(UpstreamError, match="x"), breaker.attempt() as attempt:  # noqa: PT012
        if status is not None:
            attempt.answered(status)
        raise UpstreamError("x")


def test_the_breaker_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(3, PATIENCE_SECONDS)
    for _ in range(2):
        failed(breaker)
    with breaker.attempt() as attempt:
        attempt.answered(200)
    for _ in range(3):
        breaker.check()
        failed(breaker, 500)
    for ask in (breaker.check, breaker.attempt().__enter__):
        with pytest.raises(UpstreamDown) as caught:
            ask()
        assert (caught.value.status, caught.value.code) == (502, "upstream_down")
        assert dict(caught.value.headers) == {"x-should-retry": "false"}


@pytest.mark.parametrize("status", [200, 302, 401, 404, 422, 429])
def test_an_upstream_that_answers_lives_whatever_it_says(status: int) -> None:
    breaker = Breaker(1, PATIENCE_SECONDS)
    failed(breaker, status)
    breaker.check()


def test_a_client_that_leaves_is_no_failure() -> None:
    breaker = Breaker(1, PATIENCE_SECONDS)
    with pytest.raises(GeneratorExit), breaker.attempt():
        raise GeneratorExit
    breaker.check()


def test_zero_never_opens_it() -> None:
    breaker = Breaker(0, PATIENCE_SECONDS)
    for _ in range(100):
        failed(breaker)
    breaker.check()


def test_after_the_time_one_probe_is_let_through_and_all_once_it_is_answered() -> None:
    breaker = Breaker(1, 0.02)
    failed(breaker)
    time.sleep(0.05)
    with breaker.attempt() as probe:
        with pytest.raises(UpstreamDown):
            breaker.check()
        probe.answered(200)
        breaker.check()  # though the answer is still being read


def test_a_probe_that_fails_or_is_given_up_leaves_it_open() -> None:
    breaker = Breaker(1, 0.05)
    failed(breaker)
    time.sleep(0.06)
    with pytest.raises(GeneratorExit), breaker.attempt():
        raise GeneratorExit
    failed(breaker)  # the next probe
    with pytest.raises(UpstreamDown):
        breaker.check()


def test_a_probe_that_was_answered_does_not_hold_up_the_next() -> None:
    """Its stream may go on for long, while a question from before ends in a failure."""
    breaker = Breaker(1, 0.0)
    with ExitStack() as stream:
        with pytest.raises(UpstreamError, match="y"), breaker.attempt():  # noqa: PT012
            failed(breaker)
            stream.enter_context(breaker.attempt()).answered(200)
            raise UpstreamError("y")
        breaker.check()


def test_the_end_of_a_probe_that_was_answered_lets_no_second_one_through() -> None:
    breaker = Breaker(1, 0.0)
    failed(breaker)
    with ExitStack() as second:
        with breaker.attempt() as first:
            first.answered(200)
            failed(breaker)
            second.enter_context(breaker.attempt())
        with pytest.raises(UpstreamDown):
            breaker.check()


@contextmanager
def dead() -> Iterator[Any]:
    """An upstream that hangs up without an answer, and can be brought to life."""
    with raw_upstream(b"") as upstream:
        yield upstream


def test_a_dead_upstream_is_left_alone_and_found_again() -> None:
    with dead() as upstream:
        proxy = client(
            LLM_PROXY_V1="adapter",
            STREAM_URL=upstream.url,
            STREAM_BREAKER_FAILURES="2",
            STREAM_BREAKER_SECONDS="0.2",
        )
        codes = []
        for _ in range(4):
            answer = proxy.post("/v1/chat/completions", json=chat_document())
            codes.append((answer.status_code, answer.get_json()["error"]["code"]))
        assert codes == [(502, "upstream_failed")] * 2 + [(502, "upstream_down")] * 2
        assert len(upstream.heads) == 2
        upstream.plays(CLOSING_HEAD + event("one"))
        time.sleep(0.25)
        assert proxy.post("/v1/chat/completions", json=chat_document()).status_code == 200
