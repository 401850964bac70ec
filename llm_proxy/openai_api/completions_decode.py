"""Legacy completions read back: the counterpart of `completions`.

Source of the shapes: API reference, "The completion object".
"""

from collections.abc import Iterator

from llm_proxy.core.reply import Said, TextDelta
from llm_proxy.openai_api.chunks_decode import Chunk, ChunkDecoder, WireChoice


class CompletionChoice(WireChoice):
    text: str | None = None


class CompletionDecoder(ChunkDecoder[CompletionChoice]):
    """Reads completion chunks, or a completion object."""

    _shape = Chunk[CompletionChoice]

    def _said(self, wire: CompletionChoice, choice: int) -> Iterator[Said]:
        if wire.text:
            yield TextDelta(wire.text, choice)
