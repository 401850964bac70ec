"""The store: finished replies that clients asked to keep, to be read or gone on from.

A small interface, so that a store on the network can stand in for the one on disk. Knows no
JSON shape.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from llm_proxy.core.chat_request import ChatRequest, Endpoint, Message
from llm_proxy.core.reply import Reply


class Stored(Struct, frozen=True, kw_only=True):
    """One exchange that was kept: its request, and its answer as the document that was sent."""

    id: str
    endpoint: Endpoint
    request: ChatRequest
    document: Mapping[str, Any]
    reply: Reply

    def conversation(self) -> tuple[Message, ...]:
        """The messages of the request with the answer behind them."""
        choice = self.reply.choices[0]
        answer = Message(role="assistant", text=choice.text, tool_calls=choice.tool_calls)
        return (*self.request.messages, answer)


class Store(Protocol):
    """The last replies that were kept, shared by all workers; the oldest make room for the next.

    All namespaces share its room, and each sees its own replies only. Unless `of` says
    otherwise, it is that of the requests which have none.
    """

    def of(self, namespace: str) -> "Store":
        """The same store as it is seen in a namespace."""

    def put(self, stored: Stored) -> None:
        """Keep a reply, in place of one with the same id."""

    def replace(self, stored: Stored) -> None:
        """Keep a reply in place of the one with its id, unless that has been forgotten since."""

    def get(self, endpoint: Endpoint, name: str) -> Stored | None:
        """The reply with this id, if it is kept and of this endpoint."""

    def delete(self, endpoint: Endpoint, name: str) -> bool:
        """Forget a reply; whether there was one."""

    def all(self, endpoint: Endpoint) -> Sequence[Stored]:
        """The replies of one endpoint, the oldest first."""
