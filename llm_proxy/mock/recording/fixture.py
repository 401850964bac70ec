"""A recording as a fixture: what was asked, what was said, and when.

Owns the form of the document and what must not stand in it. Writes nothing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import (
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Stamped,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.mock.fixtures.fingerprint import fingerprint
from llm_proxy.mock.recording.answer import Heard
from llm_proxy.mock.recording.matching import MASK, Masked, exactly, match_of
from llm_proxy.mock.replay import Piece, text_of
from llm_proxy.openai_api.chunks import usage_object
from llm_proxy.openai_api.embeddings import EmbeddingRequest

_KEY = r"\bsk-[\w-]{16,}"
SHORTEST = 8
"""Characters of a secret; shorter ones stand in many words."""

_DETAILS = ("prompt_tokens_details", "completion_tokens_details")
_TEMPLATE = re.compile(r"\{[{%]")


def masking(secrets: Iterable[str]) -> Masked:
    """Puts `***` in place of the known secrets, and of what is written as OpenAI's keys are.

    Nothing else is taken for a secret: a reply about passwords is still to be replayed, and so
    is one with the word that stands for a key where none is needed.
    """
    known = sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True)
    words = [rf"(?<![\w-]){re.escape(one)}(?![\w-])" for one in known]
    pattern = re.compile("|".join([*words, _KEY]))
    return lambda text: pattern.sub(MASK, text)


def reply_fixture(request: ChatRequest, heard: Sequence[Heard], masked: Masked) -> dict[str, Any]:
    """The fixture of a whole reply; of several choices it has the first one."""
    told = _Told(masked)
    for one in heard:
        told.add(one)
    match = match_of(request, masked)
    called = {block.name for block in told.calls()}
    if offered := [tool.name for tool in request.tools if tool.name in called]:
        match["toolName"] = offered[0]  # else a client without the tool would be told to call it
    response = told.response()
    fixture: dict[str, Any] = {"match": match, "response": response}
    if told.looks_like_a_template():
        fixture["template"] = False
    return fixture | {"recordedTimings": told.timings(cut=request.stream)}


def embedding_fixture(
    text: str, asked: EmbeddingRequest, vector: Sequence[float], masked: Masked
) -> dict[str, Any]:
    """The fixture of one embedding."""
    return {
        "match": {
            "endpoint": "embedding",
            "inputText": exactly(text, masked),
            "model": asked.model,
            "fingerprint": fingerprint(asked),
        },
        "response": {"embedding": list(vector)},
    }


class _Block(Struct):
    """A text or a call: what stands in one place of a reply."""

    pieces: list[Piece]

    @property
    def is_call(self) -> bool:
        return isinstance(self.pieces[0], ToolCallDelta)

    @property
    def name(self) -> str:
        first = self.pieces[0]
        return first.name or "" if isinstance(first, ToolCallDelta) else ""

    def text(self) -> str:
        return "".join(map(text_of, self.pieces))


class _Told:
    """What the first choice of a reply told, put into the order in which it is replayed."""

    def __init__(self, masked: Masked) -> None:
        self._masked = masked
        self._at: list[float] = []
        self._reasoning = _Block([])
        self._refusal = _Block([])
        self._blocks: list[_Block] = []
        self._call_blocks: dict[int, _Block] = {}
        self._signed = Stamped()
        self._finish = Finish()
        self._usage: Usage | None = None
        self._finished_at = 0.0

    def add(self, heard: Heard) -> None:
        event = heard.event
        match event:
            case Stamped():
                self._signed = event
            case Finish(usage=usage):
                self._usage = usage
                self._finished_at = heard.at
        if isinstance(event, Stamped) or event.choice:
            return
        match event:
            case Finish():
                self._finish = event
            case ReasoningDelta():
                self._reasoning.pieces.append(event)
            case RefusalDelta():
                self._refusal.pieces.append(event)
            case TextDelta():
                if not self._blocks or self._blocks[-1].is_call:
                    self._blocks.append(_Block([]))
                self._blocks[-1].pieces.append(event)
            case ToolCallDelta(index):
                if index not in self._call_blocks:
                    self._call_blocks[index] = _Block([])
                    self._blocks.append(self._call_blocks[index])
                self._call_blocks[index].pieces.append(event)
        if isinstance(event, Piece):
            self._at.append(heard.at)

    def calls(self) -> list[_Block]:
        return [block for block in self._blocks if block.is_call]

    def response(self) -> dict[str, Any]:
        """The `response` of the fixture."""
        response: dict[str, Any] = {}
        if self._reasoning.pieces:
            response["reasoning"] = self._masked(self._reasoning.text())
        texts = [block for block in self._blocks if not block.is_call]
        if len(texts) > 1 or (texts and self._blocks[0] is not texts[0]):
            response["blocks"] = [self._written(block) for block in self._blocks]
        else:
            if texts or not self._call_blocks:
                response["content"] = self._masked("".join(block.text() for block in texts))
            if self._call_blocks:
                response["toolCalls"] = [self._call(block) for block in self.calls()]
        if self._refusal.pieces:
            response["refusal"] = self._masked(self._refusal.text())
        response["finishReason"] = self._finish.reason
        if self._usage is not None:
            response["usage"] = _told_usage(self._usage)
        if self._signed.model is not None:
            response["model"] = self._signed.model
        if self._signed.fingerprint is not None:
            response["systemFingerprint"] = self._signed.fingerprint
        return response

    def timings(self, *, cut: bool) -> dict[str, Any]:
        """The `recordedTimings`; how the reply was cut into chunks only if it was (`cut`)."""
        at = self._at or [self._finished_at]
        timings: dict[str, Any] = {"ttftMs": _ms(at[0])}
        if cut:
            timings["intervalsMs"] = [_ms(later - earlier) for earlier, later in pairwise(at)]
            timings["chunkLengths"] = [len(text_of(piece)) for piece in self._in_order()]
        return timings

    def _in_order(self) -> Iterator[Piece]:
        for block in (self._reasoning, *self._blocks, self._refusal):
            yield from block.pieces

    def _written(self, block: _Block) -> dict[str, Any]:
        if block.is_call:
            return {"type": "toolCall", **self._call(block)}
        return {"type": "text", "text": self._masked(block.text())}

    def _call(self, block: _Block) -> dict[str, Any]:
        first = block.pieces[0]
        assert isinstance(first, ToolCallDelta)
        call = {"name": block.name, "arguments": self._masked(block.text())}
        return call | ({"id": first.id} if first.id else {})

    def looks_like_a_template(self) -> bool:
        """Whether there is in the texts what would be filled in on replay."""
        return any(_TEMPLATE.search(block.text()) for block in self._blocks)


def _told_usage(usage: Usage) -> dict[str, Any]:
    """The usage object without the counts that are 0, as most of its details are."""
    told = {}
    for name, counts in usage_object(usage).items():
        if isinstance(counts, dict):
            counts = {kind: count for kind, count in counts.items() if count}
        if counts or name not in _DETAILS:
            told[name] = counts
    return told


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
