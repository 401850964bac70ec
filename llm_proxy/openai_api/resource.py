"""What a resource is: a route that answers at once, without a source of replies.

Knows no route in particular; the tables of them are in `openai_api.surfaces` and in the mock.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from llm_proxy.reply import Usage
from llm_proxy.store import Store
from llm_proxy.tokenizers import Characters, Tokenizer


class Call(Struct, frozen=True, kw_only=True):
    """What a client asks of a resource: the names in the path, the query string, the body.

    `store` and `tokenizer` are those of the half that is asked.
    """

    store: Store
    tokenizer: Tokenizer = Characters()
    names: Mapping[str, str]
    query: Mapping[str, str]
    document: bytes


class Answer(Struct, frozen=True, kw_only=True):
    """One JSON document, and what the log tells of it."""

    body: bytes
    model: str | None = None
    usage: Usage | None = None


class Resource(Struct, frozen=True):
    """One method and path below a base; names in the path stand in angle brackets.

    `answer` raises `ProxyError`.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    answer: Callable[[Call], Answer]
