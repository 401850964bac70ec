"""Inputs: what is completed or embedded, as text or in tokens, one or several.

Source of the forms: API reference, `prompt` of completions and `input` of embeddings.
"""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from llm_proxy.core.tokenizers import Tokenizer
from llm_proxy.errors import InvalidRequest

Token = Annotated[int, Meta(ge=0)]
Tokens = Annotated[list[Token], Meta(min_length=1)]

Item = str | Token | Tokens
"""What may stand in an array of inputs. All items of one array are of the same kind."""

Input = str | Sequence[int]
"""A text, or the tokens of a text that nobody here can read."""


def inputs(sent: str | Sequence[str | int | list[int]], param: str) -> tuple[Input, ...]:
    """The inputs in their order; an array of tokens is one, any other array has one an item.

    Raises:
        InvalidRequest: the items are of different kinds.
    """
    if isinstance(sent, str):
        return (sent,)
    check_kind(sent, param)
    tokens = [item for item in sent if isinstance(item, int)]
    return (tokens,) if tokens else tuple(item for item in sent if not isinstance(item, int))


def check_kind(items: Sequence[object], param: str) -> None:
    """See to it that all items of an array are of one kind; `param` is the path of the array.

    Raises:
        InvalidRequest: one is not of the kind of the first; `param` names it.
    """
    expected = _kind(items[0])
    for index, item in enumerate(items):
        if _kind(item) != expected:
            raise InvalidRequest(
                f"Invalid type for '{param}[{index}]': expected {expected}, "
                f"but got {_kind(item)} instead.",
                param=f"{param}[{index}]",
                code="invalid_type",
            )


def count_tokens(given: Input, tokenizer: Tokenizer) -> int:
    """Tokens of one input, which may be numbers already."""
    return tokenizer.count([given]) if isinstance(given, str) else len(given)


def _kind(item: object) -> str:
    match item:
        case str():
            return "a string"
        case int():
            return "an integer"
        case list():
            return "an array"
        case _:
            return "an object"
