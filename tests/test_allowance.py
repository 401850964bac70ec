"""How much of a limit per minute is left."""

import pytest

from llm_proxy.openai_api.allowance import Allowance, Left, spelled


def test_what_is_used_comes_back_within_a_minute() -> None:
    allowance = Allowance(60)
    assert allowance.take(30, now=0) == Left(60, 30, 30)
    assert allowance.take(0, now=10) == Left(60, 40, 20)
    assert allowance.take(1, now=100) == Left(60, 59, 1)


def test_no_less_than_nothing_is_left() -> None:
    allowance = Allowance(60)
    assert allowance.take(100, now=0) == Left(60, 0, 60)
    assert allowance.take(0, now=60) == Left(60, 60, 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.12, "120ms"), (1, "1s"), (1.5, "1.5s"), (59.9, "59.9s"), (360, "6m0s")],
)
def test_durations_are_spelled_as_in_openais_headers(seconds: float, text: str) -> None:
    assert spelled(seconds) == text
