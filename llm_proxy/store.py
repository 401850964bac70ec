"""The store: finished replies that clients asked to keep, to be read or gone on from.

Bounded, shared by all threads of a process, gone with it. Knows no JSON shape.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from llm_proxy.reply import ChatRequest, Endpoint, Message, Reply

MAX_STORED = 1000


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


class Store:
    """The last `limit` replies that were kept; the oldest one makes room for the next."""

    def __init__(self, limit: int = MAX_STORED) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Stored] = OrderedDict()

    def put(self, stored: Stored) -> None:
        """Keep a reply, in place of one with the same id."""
        with self._lock:
            self._kept[stored.id] = stored
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)

    def replace(self, stored: Stored) -> None:
        """Keep a reply in place of the one with its id, unless that has been forgotten since."""
        with self._lock:
            if stored.id in self._kept:
                self._kept[stored.id] = stored

    def get(self, endpoint: Endpoint, name: str) -> Stored | None:
        """The reply with this id, if it is kept and of this endpoint."""
        with self._lock:
            stored = self._kept.get(name)
        return stored if stored is not None and stored.endpoint == endpoint else None

    def delete(self, endpoint: Endpoint, name: str) -> bool:
        """Forget a reply; whether there was one."""
        with self._lock:
            stored = self._kept.get(name)
            if stored is None or stored.endpoint != endpoint:
                return False
            del self._kept[name]
            return True

    def all(self, endpoint: Endpoint) -> list[Stored]:
        """The replies of one endpoint, the oldest first."""
        with self._lock:
            return [stored for stored in self._kept.values() if stored.endpoint == endpoint]
