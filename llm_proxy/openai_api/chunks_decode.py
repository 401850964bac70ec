"""Chunks read back: what the decoders of chat and legacy completions share.

The counterpart of `chunks`. Source of the shapes: API reference, "Chat completion chunk
object" and "The completion object".
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, cast, get_args

from msgspec import Struct

from llm_proxy.core.reply import Annotations, Finish, FinishReason, Said, Usage
from llm_proxy.openai_api.decoder import (
    DONE,
    Decoded,
    Misunderstood,
    Signature,
    citation_ids,
    decoded,
    number,
)

_REASONS = get_args(FinishReason)


class WireChoice(Struct):
    """What every choice has."""

    index: int | None = None
    finish_reason: str | None = None


Choice = TypeVar("Choice", bound=WireChoice)


class Chunk(Struct, Generic[Choice]):
    """A chunk, or a whole reply."""

    id: str | None = None
    created: float | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    citations: Any = None


class ChunkDecoder(Generic[Choice]):
    """A decoder (`decoder.Decoder`) but for what a choice says, which `_said` has to tell.

    The usage comes last of all, so the finish reasons are held back until the end.
    """

    _shape: type[Chunk[Choice]]

    def __init__(self) -> None:
        self.over = False
        self._signature = Signature()
        self._signed = False
        self._choices: set[int] = set()
        self._reasons: dict[int, FinishReason] = {}
        self._citations: dict[int, tuple[str, ...]] = {}
        self._usage: Usage | None = None

    def feed(self, payload: bytes) -> list[Decoded]:
        if payload.strip() == DONE:
            return self.end()
        return self._understood(payload)

    def end(self) -> list[Decoded]:
        if not self._choices or self._choices - set(self._reasons):
            raise Misunderstood("it ended without a finish reason")
        self.over = True
        return [*self._opening(), *self._finishes()]

    def whole(self, document: bytes) -> list[Decoded]:
        return self._understood(document) + self.end()

    @abstractmethod
    def _said(self, wire: Choice, choice: int) -> Iterator[Said]:
        """What one choice of a chunk says."""

    def _understood(self, document: bytes) -> list[Decoded]:
        chunk = decoded(document, self._shape)
        self._signature.learn(
            id=chunk.id,
            created=chunk.created,
            model=chunk.model,
            fingerprint=chunk.system_fingerprint,
            service_tier=chunk.service_tier,
        )
        if chunk.usage:
            self._usage = usage(chunk.usage)
        said: list[Said] = []
        for wire in chunk.choices or ():
            choice = wire.index or 0
            self._choices.add(choice)
            said += self._said(wire, choice)
            if wire.finish_reason is not None:
                self._reasons[choice] = finish_reason(wire.finish_reason)
        if cited := citation_ids(chunk.citations):
            choice = chunk.choices[0].index or 0 if chunk.choices else 0
            self._citations[choice] = cited
        return [*self._opening(), *said] if said else []

    def _opening(self) -> list[Decoded]:
        if self._signed:
            return []
        self._signed = True
        return [self._signature.stamped()]

    def _finishes(self) -> Iterator[Said]:
        for choice, reason in sorted(self._reasons.items()):
            if choice in self._citations:
                yield Annotations(self._citations[choice], choice)
            yield Finish(reason, self._usage, choice)


def usage(counts: Mapping[str, Any]) -> Usage:
    """The usage that a usage object tells of."""
    return Usage(
        number(counts, "prompt_tokens"),
        number(counts, "completion_tokens"),
        number(counts.get("completion_tokens_details"), "reasoning_tokens"),
        number(counts.get("prompt_tokens_details"), "cached_tokens"),
    )


def finish_reason(reason: str) -> FinishReason:
    """The reason as we know it: the older form of a call is one, and what is unknown a stop."""
    if reason == "function_call":
        return "tool_calls"
    return cast(FinishReason, reason) if reason in _REASONS else "stop"
