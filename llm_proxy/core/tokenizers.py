"""Tokenizers: how many tokens a text has, estimated or exact.

Knows no request and no event.
"""

from collections.abc import Sequence
from typing import Protocol


class Budget(Protocol):
    """So many tokens, used up piece by piece."""

    def take(self, text: str) -> str:
        """As much of `text`, from its beginning, as there is room for; use it up."""


class Tokenizer(Protocol):
    """One way to count.

    `per_message` and `per_request` are the tokens that the chat format itself costs, as
    OpenAI's cookbook counts them ("How to count tokens").
    """

    per_message: int
    per_request: int

    def count(self, texts: Sequence[str]) -> int:
        """Tokens of several texts together."""

    def budget(self, tokens: int) -> Budget:
        """A budget of so many tokens."""


class Characters:
    """The rule of thumb: four characters are a token, rounded up over all texts together."""

    per_message = 0
    per_request = 0
    per_token = 4

    def count(self, texts: Sequence[str]) -> int:
        return -(-sum(map(len, texts)) // self.per_token)

    def budget(self, tokens: int) -> Budget:
        return _CharacterBudget(tokens * self.per_token)


class _CharacterBudget:
    def __init__(self, characters: int) -> None:
        self._left = characters

    def take(self, text: str) -> str:
        taken = text[: self._left]
        self._left -= len(taken)
        return taken


class Exact:
    """The tokens of one of OpenAI's vocabularies, which the package toktok-rs brings along.

    Raises:
        ImportError: toktok-rs is not installed.
    """

    per_message = 3
    per_request = 3

    def __init__(self, encoding: str) -> None:
        import toktok

        self._encoding = encoding
        self._toktok = toktok
        self.count([""])  # reads the vocabulary now: it takes longer than a client should wait

    def count(self, texts: Sequence[str]) -> int:
        return sum(self._toktok.batch_count(texts, self._encoding, threads=1))

    def cut(self, text: str, tokens: int) -> str:
        """The beginning of `text` that has at most so many tokens."""
        beginning: str = self._toktok.truncate(text, tokens, self._encoding)[0]
        return beginning

    def budget(self, tokens: int) -> Budget:
        return _ExactBudget(self, tokens)


class _ExactBudget:
    """Counts what was taken as one text: tokens may reach over the pieces that it came in.

    The whole is counted again only when it may have become too long, so that a long reply
    within its limit does not cost more with each piece.
    """

    def __init__(self, tokenizer: Exact, tokens: int) -> None:
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._taken: list[str] = []
        self._at_most = 0
        self._spent = False

    def take(self, text: str) -> str:
        if self._spent:
            return ""
        self._taken.append(text)
        # A byte is a token at most; twice as many leave room for a word that the new piece
        # makes fall into other tokens than before.
        self._at_most += 2 * len(text.encode())
        if self._at_most <= self._tokens:
            return text
        whole = "".join(self._taken)
        self._at_most = self._tokenizer.count([whole])
        if self._at_most <= self._tokens:
            return text
        self._spent = True
        return self._tokenizer.cut(whole, self._tokens)[len(whole) - len(text) :]


def tokenizer(name: str) -> Tokenizer:
    """The tokenizer that `MOCK_TOKENIZER` names: `chars`, `o200k` or `cl100k`.

    Raises:
        ImportError: it needs a package that is not installed.
    """
    return Characters() if name == "chars" else Exact(f"{name}_base")
