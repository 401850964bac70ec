"""Quotas of the mock: who is refused, and what is told."""

from collections.abc import Mapping
from typing import Any

import pytest

from llm_proxy.errors import RateLimited
from llm_proxy.mock.quota import Quotas
from llm_proxy.settings import MockSettings
from llm_proxy.state import State
from tests.builders import empty_state


class Client:
    """Asks the quotas, at a time that it sets."""

    def __init__(self, state: State, **settings: Any) -> None:
        self.now = 1_700_000_000.0
        self._quotas = Quotas(MockSettings(**settings), state, lambda: self.now)

    def ask(self, tokens: int = 1, **headers: str) -> Mapping[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._quotas(named, tokens)

    def refused(self, tokens: int = 1, **headers: str) -> RateLimited:
        with pytest.raises(RateLimited) as refused:
            self.ask(tokens, **headers)
        return refused.value


def test_without_a_quota_nobody_is_refused() -> None:
    headers = Client(empty_state()).ask(10)
    assert headers["x-ratelimit-limit-requests"] == "10000"
    assert headers["x-ratelimit-remaining-tokens"] == "1999990"


def test_the_headers_tell_what_is_left_of_a_quota() -> None:
    client = Client(empty_state(), requests_per_minute=3, tokens_per_minute=600)
    assert client.ask(200) == {
        "x-ratelimit-limit-requests": "3",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "20s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "400",
        "x-ratelimit-reset-tokens": "20s",
    }


def test_a_refusal_tells_when_to_come_back_and_is_right() -> None:
    client = Client(empty_state(), requests_per_minute=2)
    client.ask()
    client.ask()
    refusal = client.refused()
    assert (refusal.status, refusal.type, refusal.code) == (429, "requests", "rate_limit_exceeded")
    assert refusal.message == (
        "Rate limit reached for requests per min (RPM): Limit 2, Used 2, Requested 1. "
        "Please try again in 30s."
    )
    assert refusal.headers == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m0s",
        "Retry-After": "30",
        "retry-after-ms": "30000",
    }
    client.now += 29.999
    client.refused()
    client.now += 0.001
    client.ask()


def test_a_refusal_names_the_limit_that_is_waited_for() -> None:
    client = Client(empty_state(), requests_per_minute=60, tokens_per_minute=600)
    client.ask(600)
    refusal = client.refused(3)
    assert refusal.type == "tokens"
    assert refusal.message == (
        "Rate limit reached for tokens per min (TPM): Limit 600, Used 600, Requested 3. "
        "Please try again in 300ms."
    )
    assert (refusal.headers["Retry-After"], refusal.headers["retry-after-ms"]) == ("1", "300")


def test_a_refused_request_consumes_nothing() -> None:
    client = Client(empty_state(), requests_per_minute=2, tokens_per_minute=100)
    client.ask(100)
    for _ in range(5):
        client.refused(50)
    client.now += 30
    assert client.ask(50)["x-ratelimit-remaining-requests"] == "1"


def test_a_request_that_can_never_be_answered_is_not_told_to_wait() -> None:
    client = Client(empty_state(), tokens_per_minute=100)
    refusal = client.refused(101)
    assert refusal.message == (
        "Request too large on tokens per min (TPM): Limit 100, Requested 101. "
        "Waiting does not help; ask for less."
    )
    assert refusal.headers == {"x-should-retry": "false"}


def test_each_key_and_each_namespace_has_its_own() -> None:
    client = Client(empty_state(), requests_per_minute=1)
    client.ask(authorization="Bearer one")
    client.ask(authorization="Bearer two")
    client.ask(authorization="Bearer two", x_mock_namespace="a")
    client.ask()
    client.refused(authorization="Bearer one")
    client.refused(authorization="Bearer three", x_mock_namespace="a")


def test_what_was_set_for_a_namespace_goes_before_what_was_set_for_all() -> None:
    state = empty_state()
    client = Client(state, requests_per_minute=50, tokens_per_minute=100)
    state.add("quota", "", {"requestsPerMinute": 40})
    state.add("quota", "a", {"requestsPerMinute": 30, "tokensPerMinute": 0})
    elsewhere, there = client.ask(), client.ask(10**6, x_mock_namespace="a")
    limits = ("x-ratelimit-limit-requests", "x-ratelimit-limit-tokens")
    assert [elsewhere[name] for name in limits] == ["40", "100"]
    assert [there[name] for name in limits] == ["30", "2000000"]


def test_a_quota_that_is_set_anew_begins_anew() -> None:
    state = empty_state()
    client = Client(state)
    first = state.add("quota", "", {"requestsPerMinute": 1})
    client.ask()
    client.refused()
    state.add("quota", "", {"requestsPerMinute": 1})
    state.remove("quota", first)
    client.ask()
    client.refused()
