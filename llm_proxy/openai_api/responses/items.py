"""Output items of a response: what a reply consists of in the Responses API.

Source of the shapes: API reference, "The response object", `output`. The body of a reply and
its stream are made of the same items.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from llm_proxy.core.chat_request import ChatRequest, ToolCall
from llm_proxy.core.reply import Choice, FinishReason
from llm_proxy.openai_api.logprobs import chat_logprobs
from llm_proxy.openai_api.surface import Stamp

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputText(Struct, tag_field="type", tag="output_text"):
    text: str = ""
    annotations: list[Any] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)


class Refusal(Struct, tag_field="type", tag="refusal"):
    refusal: str = ""


class SummaryText(Struct, tag_field="type", tag="summary_text"):
    text: str = ""


class MessageItem(Struct, tag_field="type", tag="message", kw_only=True):
    id: str
    status: ItemStatus = "in_progress"
    role: Literal["assistant"] = "assistant"
    content: list[OutputText | Refusal] = field(default_factory=list)

    @property
    def parts(self) -> list[Any]:
        return self.content


class ReasoningItem(Struct, tag_field="type", tag="reasoning", kw_only=True):
    id: str
    status: ItemStatus = "in_progress"
    summary: list[SummaryText] = field(default_factory=list)
    encrypted_content: str | UnsetType = UNSET

    @property
    def parts(self) -> list[Any]:
        return self.summary


class FunctionCallItem(Struct, tag_field="type", tag="function_call", kw_only=True):
    id: str
    status: ItemStatus = "in_progress"
    call_id: str
    name: str
    arguments: str = ""


class CustomCallItem(Struct, tag_field="type", tag="custom_tool_call", kw_only=True):
    id: str
    status: ItemStatus = "in_progress"
    call_id: str
    name: str
    arguments: str = field(default="", name="input")


SpokenItem = MessageItem | ReasoningItem
CallItem = FunctionCallItem | CustomCallItem
Item = SpokenItem | CallItem

PREFIXES: dict[type[Item], str] = {
    MessageItem: "msg",
    ReasoningItem: "rs",
    FunctionCallItem: "fc",
    CustomCallItem: "ctc",
}


def item_id(kind: type[Item], stamp: Stamp, position: int) -> str:
    """The id of the item at `position` of the output: the same in a stream and a body.

    By it the response can be found that it is of.
    """
    name = (stamp.given or stamp.id).removeprefix("resp_")
    return f"{PREFIXES[kind]}_{name}{position}"


def spoken_item(
    kind: type[SpokenItem], request: ChatRequest, stamp: Stamp, position: int
) -> SpokenItem:
    """An item that is about to be said.

    Reasoning that is wanted encrypted, so that it can be sent again where nothing is stored, has
    something to send: there is nothing in it to be kept from anybody.
    """
    item = kind(id=item_id(kind, stamp, position))
    wanted = request.document.get("include") or ()
    if isinstance(item, ReasoningItem) and "reasoning.encrypted_content" in wanted:
        item.encrypted_content = hashlib.blake2b(item.id.encode()).hexdigest()
    return item


def call_item(call: ToolCall, custom: bool, stamp: Stamp, position: int) -> CallItem:
    """A call under way, with what is known of its arguments."""
    kind = CustomCallItem if custom else FunctionCallItem
    name = item_id(kind, stamp, position)
    return kind(id=name, call_id=call.id, name=call.name, arguments=call.arguments)


def custom_names(request: ChatRequest) -> frozenset[str]:
    """The names of the tools that take free text."""
    return frozenset(tool.name for tool in request.tools if tool.custom)


def token_logprobs(tokens: Sequence[str], request: ChatRequest) -> list[Any]:
    """The log probabilities of a text in `tokens`; none where they are not wanted."""
    if request.top_logprobs is None:
        return []
    entries: list[Any] = chat_logprobs(tokens, request.top_logprobs)["content"]
    return entries


def last_status(reason: FinishReason) -> ItemStatus:
    """What became of the last item of a reply that finished for `reason`."""
    return "incomplete" if reason in ("length", "content_filter") else "completed"


def output(choice: Choice, request: ChatRequest, stamp: Stamp) -> list[Item]:
    """The items of a whole reply: its reasoning, then its text and its calls in their order.

    A reply without anything has a message without text.
    """
    items = list(_items(choice, request, stamp))
    for item in items:
        item.status = "completed"
    items[-1].status = last_status(choice.reason)
    return items


def _items(choice: Choice, request: ChatRequest, stamp: Stamp) -> Iterator[Item]:
    position = 0
    if choice.reasoning:
        thought = spoken_item(ReasoningItem, request, stamp, position)
        thought.parts.append(SummaryText(choice.reasoning))
        yield thought
        position += 1
    custom = custom_names(request)
    refusal = choice.refusal
    needs_text = not (choice.reasoning or choice.tool_calls)
    for part in _in_order(choice):
        if isinstance(part, ToolCall):
            yield call_item(part, part.name in custom, stamp, position)
        elif any(part) or refusal or needs_text:
            message = spoken_item(MessageItem, request, stamp, position)
            message.parts.extend(_content(part, refusal, request))
            yield message
            refusal = ""
        else:
            continue
        position += 1


def _in_order(choice: Choice) -> Iterator[Sequence[str] | ToolCall]:
    """The pieces of text before the first call, that call, the pieces before the next one …"""
    begin = 0
    ends = choice.said_before or (len(choice.pieces),) * len(choice.tool_calls)
    for end, call in zip(ends, choice.tool_calls, strict=True):
        yield choice.pieces[begin:end]
        yield call
        begin = end
    yield choice.pieces[begin:]


def _content(
    pieces: Sequence[str], refusal: str, request: ChatRequest
) -> Iterator[OutputText | Refusal]:
    text = "".join(pieces)
    if text or not refusal:
        tokens = [piece for piece in pieces if piece]
        yield OutputText(text, logprobs=token_logprobs(tokens, request))
    if refusal:
        yield Refusal(refusal)
