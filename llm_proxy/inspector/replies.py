"""What the page shows of a reply: its choices, and the pieces in which they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_proxy.inspector.conversation import Part, call_part, text_part
from llm_proxy.inspector.timeline import written


@dataclass(frozen=True)
class Chunk:
    """A piece of the reply, when it came, and how long after the one before."""

    text: str
    ms: float
    title: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One answer of the reply. `chunks` are its texts as they came."""

    parts: Sequence[Part]
    reasoning: str
    citations: Sequence[str]
    finish: str
    chunks: Sequence[Chunk]


def choices_of(reply: Mapping[str, Any] | None, timeline: Sequence[Any]) -> list[Choice]:
    """The choices of a reply that the journal kept, cut as its `timeline` tells."""
    found = []
    for number, choice in enumerate((reply or {}).get("choices") or ()):
        text, refusal = choice.get("text") or "", choice.get("refusal") or ""
        parts = [text_part(one) for one in (text, refusal) if one]
        calls = choice.get("toolCalls") or ()
        parts += [call_part(call.get("name"), call.get("arguments")) for call in calls]
        found.append(
            Choice(
                parts=parts,
                reasoning=choice.get("reasoning") or "",
                citations=[str(one) for one in choice.get("citations") or ()],
                finish=choice.get("finishReason") or "",
                chunks=_chunks(
                    {
                        "reasoning": choice.get("reasoning") or "",
                        "text": text,
                        "refusal": refusal,
                        "tool": "".join(call.get("arguments") or "" for call in calls),
                    },
                    [(ms, kind, size) for ms, kind, of, size in timeline if of == number],
                ),
            )
        )
    return found


def _chunks(texts: dict[str, str], timeline: Sequence[tuple[float, str, int]]) -> list[Chunk]:
    """The texts of a reply, cut as they came; a text that was cut short runs out early."""
    chunks: list[Chunk] = []
    before = 0.0
    for ms, kind, size in timeline:
        piece, texts[kind] = texts.get(kind, "")[:size], texts.get(kind, "")[size:]
        if piece:
            title = f"{written(ms)}, {written(ms - before)} after the one before"
            chunks.append(Chunk(piece, ms, title if chunks else written(ms), kind))
        before = ms
    return chunks
