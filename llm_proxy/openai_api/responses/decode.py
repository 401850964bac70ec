"""Responses read back: the counterpart of `stream` and `object`.

Source of the shapes: API reference, "The response object" and "Streaming events". OpenAI's
own tools, and all events and items that tell of them, are passed over.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from llm_proxy.core.reply import (
    Annotations,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Said,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.openai_api.decoder import (
    DONE,
    Decoded,
    Misunderstood,
    Signature,
    citation_ids,
    converted,
    decoded,
    number,
    raise_told,
)

_SPOKEN: Mapping[str, type[TextDelta | RefusalDelta | ReasoningDelta]] = {
    "response.output_text.delta": TextDelta,
    "response.refusal.delta": RefusalDelta,
    "response.reasoning_summary_text.delta": ReasoningDelta,
    "response.reasoning_text.delta": ReasoningDelta,
}
_ARGUMENTS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_CALLS = ("function_call", "custom_tool_call")
_INCOMPLETE: Mapping[str, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
_BETWEEN_PARTS = "\n\n"
"""What is put between two parts of one summary, which are texts of their own."""


class WirePart(Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class WireItem(Struct):
    """A message, a call, or what the model thought."""

    type: str = ""
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    content: list[WirePart] | None = None
    summary: list[WirePart] | None = None


class WireResponse(Struct):
    id: str | None = None
    created_at: float | None = None
    model: str | None = None
    service_tier: str | None = None
    status: str | None = None
    output: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None
    incomplete_details: dict[str, Any] | None = None
    citations: Any = None
    error: dict[str, Any] | None = None


class WireEvent(Struct):
    type: str = ""
    delta: Any = None
    output_index: int = 0
    summary_index: int | None = None
    item: dict[str, Any] | None = None
    response: WireResponse | None = None
    message: str | None = None
    code: Any = None
    param: Any = None


class ResponsesDecoder:
    """Reads the events of a response, or a response object. It has one choice."""

    def __init__(self) -> None:
        self.over = False
        self._signature = Signature()
        self._spoke = False
        self._calls: dict[int, int] = {}
        self._summary: tuple[int, int] | None = None

    def feed(self, payload: bytes) -> list[Decoded]:
        if self.over or payload.strip() == DONE:
            return []
        event = decoded(payload, WireEvent)
        if event.type == "error":
            shape = {"message": event.message, "code": event.code, "param": event.param}
            raise_told(shape)
        if event.response is not None:
            self._learn(event.response)
        if event.type in _ENDS:
            return self._ended(event.response or WireResponse())
        said = list(self._said(event))
        return self._opened(said) if said else []

    def end(self) -> list[Decoded]:
        if not self.over:
            raise Misunderstood("it ended before the response was complete")
        return []

    def whole(self, document: bytes) -> list[Decoded]:
        response = decoded(document, WireResponse)
        self._learn(response)
        return self._ended(response)

    def _learn(self, response: WireResponse) -> None:
        self._signature.learn(
            id=response.id,
            created=response.created_at,
            model=response.model,
            service_tier=response.service_tier,
        )

    def _said(self, event: WireEvent) -> Iterator[Said]:
        if event.type == "response.output_item.added":
            yield from self._begun_call(event.output_index, event.item or {})
        elif isinstance(event.delta, str) and event.delta:
            if event.type in _ARGUMENTS and event.output_index in self._calls:
                yield ToolCallDelta(self._calls[event.output_index], None, None, event.delta)
            elif event.type in _SPOKEN:
                yield from self._next_part(event)
                yield _SPOKEN[event.type](event.delta)

    def _begun_call(self, place: int, item: Mapping[str, Any]) -> Iterator[Said]:
        if item.get("type") in _CALLS:
            call = converted(item, WireItem)
            self._calls[place] = len(self._calls)
            yield ToolCallDelta(self._calls[place], call.call_id or "", call.name or "")

    def _next_part(self, event: WireEvent) -> Iterator[Said]:
        if event.summary_index is None:
            return
        part, before = (event.output_index, event.summary_index), self._summary
        self._summary = part
        if before is not None and before[0] == part[0] and before != part:
            yield ReasoningDelta(_BETWEEN_PARTS)

    def _ended(self, response: WireResponse) -> list[Decoded]:
        """The end of a response; what it says, too, if nothing of it came before."""
        if response.status == "failed" or response.error:
            raise_told(response.error or {})
        if response.status not in ("completed", "incomplete"):
            raise Misunderstood(f"the response is {response.status or 'without a status'}")
        self.over = True
        said = [] if self._spoke else list(self._whole_output(response.output or ()))
        if cited := citation_ids(response.citations):
            said.append(Annotations(cited))
        said.append(Finish(self._reason(response), _usage(response.usage)))
        return self._opened(said)

    def _whole_output(self, output: Iterable[Mapping[str, Any]]) -> Iterator[Said]:
        for place, sent in enumerate(output):
            if sent.get("type") not in (*_CALLS, "message", "reasoning"):
                continue
            item = converted(sent, WireItem)
            yield from self._begun_call(place, sent)
            if (arguments := item.arguments or item.input) and place in self._calls:
                yield ToolCallDelta(self._calls[place], None, None, arguments)
            if summary := _BETWEEN_PARTS.join(part.text or "" for part in item.summary or ()):
                yield ReasoningDelta(summary)
            for part in item.content or ():
                if part.refusal:
                    yield RefusalDelta(part.refusal)
                elif part.text:
                    thought = item.type == "reasoning"
                    yield (ReasoningDelta if thought else TextDelta)(part.text)

    def _reason(self, response: WireResponse) -> FinishReason:
        if response.status == "incomplete":
            reason = (response.incomplete_details or {}).get("reason")
            return _INCOMPLETE.get(str(reason), "length")
        return "tool_calls" if self._calls else "stop"

    def _opened(self, said: list[Said]) -> list[Decoded]:
        opening = [] if self._spoke else [self._signature.stamped()]
        self._spoke = True
        return [*opening, *said]


def _usage(counts: Mapping[str, Any] | None) -> Usage | None:
    if not counts:
        return None
    return Usage(
        number(counts, "input_tokens"),
        number(counts, "output_tokens"),
        number(counts.get("output_tokens_details"), "reasoning_tokens"),
        number(counts.get("input_tokens_details"), "cached_tokens"),
    )
