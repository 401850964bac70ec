"""Two ways to count: by the length of the text, and exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.tokenizers import Characters, Exact, Tokenizer, tokenizer
from llm_proxy.core.tokens import count_prompt
from llm_proxy.settings import SettingsError, from_env

TEXT = "Hello world, this is a test."


def test_exact_counts_are_those_of_the_vocabulary() -> None:
    assert Exact("o200k_base").count([TEXT]) == 8
    assert Exact("cl100k_base").count([TEXT, "é😀"]) == 11


def test_exact_counts_have_the_overhead_of_the_chat_format() -> None:
    """Three tokens for each message and three for the reply that is begun (OpenAI cookbook)."""
    messages = (Message(role="system", text="a"), Message(role="user", text=TEXT))
    chat = ChatRequest(model="m", messages=messages)
    completion = ChatRequest(model="m", messages=messages, endpoint="completions")
    assert count_prompt(chat, Exact("o200k_base")) == 1 + 8 + 2 * 3 + 3
    assert count_prompt(completion, Exact("o200k_base")) == 1 + 8


@pytest.mark.parametrize("name", ["chars", "o200k", "cl100k"])
@given(pieces=st.lists(st.text(st.characters(exclude_categories=["Cs"]))), tokens=st.integers(0, 9))
def test_a_budget_gives_the_beginning_that_fits(name: str, pieces: list[str], tokens: int) -> None:
    counter: Tokenizer = tokenizer(name)
    budget = counter.budget(tokens)
    taken = "".join(budget.take(piece) for piece in pieces)
    assert "".join(pieces).startswith(taken)
    assert counter.count([taken]) <= tokens
    if counter.count(["".join(pieces)]) <= tokens:
        assert taken == "".join(pieces)


def test_characters_are_the_default() -> None:
    assert isinstance(tokenizer(from_env({}).mock.tokenizer), Characters)


def test_an_exact_tokenizer_that_is_not_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llm_proxy.settings.rules.find_spec", lambda _: None)
    with pytest.raises(SettingsError) as refused:
        from_env({"MOCK_TOKENIZER": "o200k"})
    assert refused.value.problems == [
        "MOCK_TOKENIZER: o200k needs the package toktok-rs; install it beside this one"
    ]
