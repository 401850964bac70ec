"""The output of a response on its way: its items, each added, said in deltas, and done.

Source of the order of events: API reference, "Streaming events".
"""

from typing import Any

import msgspec
from msgspec import Struct, field

from llm_proxy.core.chat_request import ChatRequest, ToolCall
from llm_proxy.core.reply import FinishReason, TextDelta, ToolCallDelta
from llm_proxy.openai_api.responses.events import CALLED, VOICES, Numbered, Spoken, Voice, json
from llm_proxy.openai_api.responses.items import (
    CallItem,
    FunctionCallItem,
    Item,
    ItemStatus,
    OutputText,
    SpokenItem,
    call_item,
    custom_names,
    last_status,
    spoken_item,
    token_logprobs,
)
from llm_proxy.openai_api.surface import Stamp

_NO_LOGPROBS = b',"logprobs":[]'


class _Part(Struct):
    """A part of a message or of a reasoning item under way."""

    voice: Voice
    where: dict[str, Any]
    around: bytes
    pieces: list[str] = field(default_factory=list)


class _Call(Struct):
    """A call, under way or done."""

    item: CallItem
    where: dict[str, Any]
    around: bytes
    pieces: list[str] = field(default_factory=list)

    def is_whole(self) -> bool:
        """Whether nothing can follow: the arguments of a function are one JSON object."""
        text = "".join(self.pieces)
        if not isinstance(self.item, FunctionCallItem) or not text.startswith("{"):
            return False
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return True


class Output:
    """Writes the items of a reply down as the events that `events` numbers.

    As at OpenAI, an item is done before the next one begins. Only calls whose pieces may still
    come are left open beside others; text that comes after something else is a new item.
    """

    def __init__(self, request: ChatRequest, stamp: Stamp, events: Numbered) -> None:
        self.items: list[Item] = []
        self._request, self._stamp, self._events = request, stamp, events
        self._custom = custom_names(request)
        self._spoken: SpokenItem | None = None
        self._part: _Part | None = None
        self._kind: type[Spoken] | None = None
        self._calls: dict[int, _Call] = {}
        self._last_status: ItemStatus = "completed"

    def say(self, kind: type[Spoken], text: str) -> bytes:
        """A piece of text; an empty one says nothing."""
        if not text:
            return b""
        begun = b"" if kind is self._kind else self._begin(kind)
        assert self._part is not None
        self._part.pieces.append(text)
        more = b""
        if kind is TextDelta:
            more = _NO_LOGPROBS
            if self._request.top_logprobs is not None:
                more = b',"logprobs":' + json(token_logprobs((text,), self._request))
        return begun + self._events.delta(self._part.around, text, more)

    def call(self, event: ToolCallDelta) -> bytes:
        """A piece of a call."""
        call, begun = self._calls.get(event.index), b""
        if call is None:
            begun = self._make_room()
            named = ToolCall(event.id or "", event.name or "", "")
            custom = named.name in self._custom
            item = call_item(named, custom, self._stamp, len(self.items))
            begun += self._add(item)
            where = self._where(item)
            around = self._events.around(f"{CALLED[type(item)]}.delta", **where)
            call = self._calls[event.index] = _Call(item, where, around)
        if not event.arguments:
            return begun
        call.pieces.append(event.arguments)
        if call.item.status != "in_progress":  # white space behind the arguments
            call.item.arguments += event.arguments
            return begun
        return begun + self._events.delta(call.around, event.arguments)

    def end(self, reason: FinishReason) -> bytes:
        """End everything; a reply that said nothing has a message without text."""
        written = b"" if self.items else self._begin(TextDelta)
        self._last_status = last_status(reason)
        written += self._make_room()
        for call in self._calls.values():
            if call.item.status == "in_progress":
                written += self._end_call(call)
        return written

    def _begin(self, kind: type[Spoken]) -> bytes:
        """Begin a part, in the item under way if it fits."""
        voice = VOICES[kind]
        written = self._end_part()
        if not isinstance(self._spoken, voice.item):
            written += self._make_room()
            position = len(self.items)
            self._spoken = spoken_item(voice.item, self._request, self._stamp, position)
            written += self._add(self._spoken)
        where = {**self._where(self._spoken), voice.index: len(self._spoken.parts)}
        self._part = _Part(voice, where, self._events.around(f"{voice.said}.delta", **where))
        self._kind = kind
        return written + self._events.event(f"{voice.framed}.added", **where, part=voice.part())

    def _end_part(self) -> bytes:
        part, self._part, self._kind = self._part, None, None
        if part is None:
            return b""
        assert self._spoken is not None
        voice, text = part.voice, "".join(part.pieces)
        whole = voice.part(text)
        told: dict[str, Any] = {voice.text: text}
        if isinstance(whole, OutputText):
            whole.logprobs = token_logprobs(part.pieces, self._request)
            told["logprobs"] = whole.logprobs
        self._spoken.parts.append(whole)
        said = self._events.event(f"{voice.said}.done", **part.where, **told)
        return said + self._events.event(f"{voice.framed}.done", **part.where, part=whole)

    def _end_call(self, call: _Call) -> bytes:
        item = call.item
        item.arguments = "".join(call.pieces)
        told = {"arguments": item.arguments, "name": item.name}
        if not isinstance(item, FunctionCallItem):
            told = {"input": item.arguments}
        said = self._events.event(f"{CALLED[type(item)]}.done", **call.where, **told)
        return said + self._end_item(item)

    def _add(self, item: Item) -> bytes:
        self.items.append(item)
        return self._events.event(
            "response.output_item.added", output_index=len(self.items) - 1, item=item
        )

    def _end_item(self, item: Item) -> bytes:
        item.status = self._last_status if item is self.items[-1] else "completed"
        index = self._where(item)["output_index"]
        return self._events.event("response.output_item.done", output_index=index, item=item)

    def _make_room(self) -> bytes:
        """End what is under way, but for calls of which more may come."""
        written = self._end_part()
        if self._spoken is not None:
            written += self._end_item(self._spoken)
            self._spoken = None
        for call in self._calls.values():
            if call.item.status == "in_progress" and call.is_whole():
                written += self._end_call(call)
        return written

    def _where(self, item: Item) -> dict[str, Any]:
        index = next(index for index, one in enumerate(self.items) if one is item)
        return {"item_id": item.id, "output_index": index}
