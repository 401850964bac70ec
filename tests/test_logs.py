"""What must not stand in the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.records.logs import Redactor

BACKSLASHES = "\\" * 200_000


@pytest.mark.parametrize(
    "text",
    [
        *("A" * 200_000, "token" * 40_000, '\\"' * 60_000, "key=" * 40_000),
        *(f"token{BACKSLASHES}", f'token\\": {BACKSLASHES}"{BACKSLASHES}x{BACKSLASHES}'),
    ],
)
def test_a_long_text_takes_no_longer_for_each_of_its_letters(text: str) -> None:
    """Were it to, this would not come back: it once held up the whole server."""
    redactor = Redactor(["secret-one"])
    redactor(text)
    redactor.clears(text)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (r"\"token\": \"a\\\"b\", \"x\"", r"\"token\": \"***\", \"x\""),
        (r"see:\nsk-abcdefgh1 \u0022sk-abcdefgh1\u0022", r"see:\nsk-*** \u0022sk-***\u0022"),
        (r"risk-management \\task-abcdefgh1", r"risk-management \\task-abcdefgh1"),
        (r"see:\r\nBearer abc", r"see:\r\nBearer ***"),
        (r"{\u0022token\u0022: \u0022a b\u0022}", r"{\u0022token\u0022: \u0022***\u0022}"),
        (r"{\u0027api_key\u0027: abc}", r"{\u0027api_key\u0027: ***}"),
        ("max_tokens=5 total_tokens: 7", "max_tokens=5 total_tokens: 7"),
        ('{"max_tokens": 5, "token": "abc"}', '{"max_tokens": 5, "token": "***"}'),
        ("OPENAI_API_KEY=abc; x=1", "OPENAI_API_KEY=***; x=1"),
        ("the token is short", "the token is short"),
        ("say secret-one twice: secret-one", "say *** twice: ***"),
    ],
)
def test_secrets_are_taken_out_and_the_rest_stays(text: str, redacted: str) -> None:
    assert Redactor(["secret-one"])(text) == redacted


def test_secrets_that_become_known_later_are_taken_out_from_then_on() -> None:
    further: set[str] = set()
    redactor = Redactor(["secret-one"], lambda: frozenset(further))
    assert redactor("secret-one and two") == "*** and two"
    further.add("two")
    assert redactor("secret-one and two") == "*** and ***"


NAMES = ("api_key", "token", "tokens", "secret", "password", "cookie", "Key", "keys")


def test_a_value_in_escaped_quotes_may_end_with_its_line() -> None:
    text = 'cut off here: \\"token\\": \\"abc def\nand the next line'
    assert Redactor(())(text) == 'cut off here: \\"token\\": \\"***\\"\nand the next line'


SIGNS = ("=:", "\\", "\\n", "\\u0022", '"', "'", " ", "\n", '\\"', '": "', "é", "x")
VALUES = ("sk-", "bearer", "Basic ", "abcdefgh1", "secret-one", "one")
WORDS = st.sampled_from((*NAMES, *SIGNS, *VALUES))


@given(st.lists(st.lists(WORDS, max_size=8).map("".join), max_size=4))
def test_a_text_is_cleared_only_if_no_part_of_it_holds_a_secret(parts: list[str]) -> None:
    redacted = Redactor(["secret-one"])
    if redacted.clears("\n".join(parts)):
        assert [redacted(part) for part in parts] == parts


@pytest.mark.parametrize("text", ["max_tokens=5", "the token is short", '{"keys": 1}', "a basic"])
def test_usual_texts_are_cleared(text: str) -> None:
    assert Redactor(["secret-one"]).clears(text)
