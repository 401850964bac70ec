"""What a resource is: a route that answers at once, without a source of replies.

Knows no route in particular; the tables of them are in `openai_api.surfaces` and in the mock.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from llm_proxy.core.chat_request import Endpoint
from llm_proxy.core.reply import Fact, Usage, WireFault
from llm_proxy.core.tokenizers import Characters, Tokenizer
from llm_proxy.errors import NotStored, ProxyError
from llm_proxy.store import Store, Stored


class Call(Struct, frozen=True, kw_only=True):
    """What a client asks of a resource: the names in the path, the query string, the headers
    with their names in lower case, the body.

    `store` is that of the half that is asked, as the client's namespace sees it; `tokenizer`
    is the half's.
    """

    store: Store
    tokenizer: Tokenizer = Characters()
    names: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str] = {}
    document: bytes

    def stored(self, endpoint: Endpoint, missing: str) -> Stored:
        """The stored reply that the path names as `id`.

        Raises:
            NotStored: there is none; `missing` is the message.
        """
        stored = self.store.get(endpoint, self.names["id"])
        if stored is None:
            raise NotStored(missing)
        return stored


class Answer(Struct, frozen=True, kw_only=True):
    """One JSON document, what the log tells of it, and what is to happen to it on its way.

    After the delay it may turn out to be an `error` instead. `limits` are headers that tell of
    rate limits, in place of ours.
    """

    body: bytes = b""
    error: ProxyError | None = None
    model: str | None = None
    usage: Usage | None = None
    origin: str = ""
    notes: tuple[Mapping[str, Fact], ...] = ()
    delay_seconds: float = 0.0
    fault: WireFault | None = None
    limits: Mapping[str, str] | None = None


def answer(document: Mapping[str, Any]) -> Answer:
    """The answer that is just this document."""
    return Answer(body=msgspec.json.encode(document))


class Resource(Struct, frozen=True):
    """One method and path below a base; names in the path stand in angle brackets.

    `answer` raises `ProxyError`. Where it is `metered`, it has a usage and changes nothing, so
    that the request can be counted, and refused, when the usage is known. Where it has a
    `shape`, OpenAI takes nothing else in the body, and knows `models` beside those listed.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    answer: Callable[[Call], Answer]
    metered: bool = False
    shape: type[Struct] | None = None
    models: tuple[str, ...] = ()
