"""Server-sent events of the Responses API: how they are called, framed and numbered.

Source of the names: API reference, "Streaming events".
"""

from typing import Any

import msgspec
from msgspec import Struct

from llm_proxy.core.reply import ReasoningDelta, RefusalDelta, TextDelta
from llm_proxy.openai_api import sse
from llm_proxy.openai_api.responses.items import (
    CallItem,
    CustomCallItem,
    FunctionCallItem,
    MessageItem,
    OutputText,
    ReasoningItem,
    Refusal,
    SpokenItem,
    SummaryText,
)

Spoken = TextDelta | ReasoningDelta | RefusalDelta


class Voice(Struct, frozen=True):
    """How the events of one kind of text are called, and where the text belongs.

    `said` begins the names of `.delta` and `.done`, `framed` those of `.added` and `.done` of
    the part; `index` counts the parts of an item; `text` holds the whole text.
    """

    item: type[SpokenItem]
    part: type[OutputText | Refusal | SummaryText]
    said: str
    framed: str
    index: str
    text: str


VOICES: dict[type[Spoken], Voice] = {
    TextDelta: Voice(
        MessageItem,
        OutputText,
        "response.output_text",
        "response.content_part",
        "content_index",
        "text",
    ),
    RefusalDelta: Voice(
        MessageItem,
        Refusal,
        "response.refusal",
        "response.content_part",
        "content_index",
        "refusal",
    ),
    ReasoningDelta: Voice(
        ReasoningItem,
        SummaryText,
        "response.reasoning_summary_text",
        "response.reasoning_summary_part",
        "summary_index",
        "text",
    ),
}

CALLED: dict[type[CallItem], str] = {
    FunctionCallItem: "response.function_call_arguments",
    CustomCallItem: "response.custom_tool_call_input",
}


class Numbered:
    """Frames events, and numbers them from zero.

    What stands around a delta is the same each time, so `around` writes it once; `delta` then
    puts in the text and the number only.
    """

    def __init__(self) -> None:
        self.number = 0

    def event(self, name: str, /, **fields: Any) -> bytes:
        """One event with these fields."""
        document = json({"type": name, "sequence_number": self.number, **fields})
        self.number += 1
        return b"event: " + name.encode() + b"\n" + sse.data(document)

    def around(self, name: str, /, **fields: Any) -> bytes:
        """What stands around the deltas that have this name and these fields."""
        head = json({"type": name, **fields}).removesuffix(b"}").replace(b"%", b"%%")
        body = sse.data(head + b',"sequence_number":%d,"delta":%b%b}')
        return b"event: " + name.encode() + b"\n" + body

    def delta(self, around: bytes, text: str, more: bytes = b"") -> bytes:
        """One delta; `more` are further fields as JSON, each with a comma before it."""
        number = self.number
        self.number = number + 1
        return around % (number, json(text), more)


json = msgspec.json.Encoder().encode
