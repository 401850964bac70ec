"""Chat completions read back: the counterpart of `answer`.

Source of the shapes: API reference, "Chat completion object" and "Chat completion chunk
object". What a model thinks aloud is called `reasoning_content` or `reasoning` by those that
tell it; the API reference has no name for it.
"""

from collections.abc import Iterator

from msgspec import Struct

from llm_proxy.core.reply import ReasoningDelta, RefusalDelta, Said, TextDelta, ToolCallDelta
from llm_proxy.openai_api.chunks_decode import Chunk, ChunkDecoder, WireChoice


class WireFunction(Struct):
    name: str | None = None
    arguments: str | None = None


class WireCustom(Struct):
    name: str | None = None
    input: str | None = None


class WireCall(Struct):
    index: int | None = None
    id: str | None = None
    function: WireFunction | None = None
    custom: WireCustom | None = None


class WireMessage(Struct):
    """A message, or what a chunk adds to it."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[WireCall] | None = None
    function_call: WireFunction | None = None


class ChatChoice(WireChoice):
    delta: WireMessage | None = None
    message: WireMessage | None = None


class ChatDecoder(ChunkDecoder[ChatChoice]):
    """Reads chat completion chunks, or a chat completion object."""

    _shape = Chunk[ChatChoice]

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[int, list[int]] = {}

    def _said(self, wire: ChatChoice, choice: int) -> Iterator[Said]:
        message = wire.delta or wire.message or WireMessage()
        if reasoning := message.reasoning_content or message.reasoning:
            yield ReasoningDelta(reasoning, choice)
        if message.content:
            yield TextDelta(message.content, choice)
        if message.refusal:
            yield RefusalDelta(message.refusal, choice)
        for call in message.tool_calls or ():
            yield from self._call(call, choice)
        if message.function_call is not None:
            yield from self._call(WireCall(0, None, message.function_call), choice)

    def _call(self, call: WireCall, choice: int) -> Iterator[Said]:
        """A piece of a call: id and name count in the first piece, though some repeat them.

        A whole message does not number its calls, and some servers do not in a stream either;
        what brings an id is then a new call.
        """
        known = self._calls.setdefault(choice, [])
        index = call.index
        if index is None:
            index = len(known) if call.id or not known else known[-1]
        if call.custom is not None:
            name, arguments = call.custom.name, call.custom.input
        else:
            function = call.function or WireFunction()
            name, arguments = function.name, function.arguments
        if index not in known:
            known.append(index)
            yield ToolCallDelta(index, call.id or "", name or "", arguments or "", choice)
        elif arguments:
            yield ToolCallDelta(index, None, None, arguments, choice)
