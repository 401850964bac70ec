"""Bounds: a wrapper that ends a reply at a stop sequence or after so many tokens.

Works on the events of any source, so that every surface and both halves keep them alike.
"""

from collections.abc import Sequence
from contextlib import closing

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import (
    ASIDES,
    Event,
    Events,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Said,
    Stamped,
    TextDelta,
    ToolCallDelta,
)
from llm_proxy.core.runs import singly
from llm_proxy.core.tokenizers import Budget, Tokenizer


def bounded(events: Events, request: ChatRequest, tokenizer: Tokenizer) -> Events:
    """End each choice before the first of the stop sequences, or where `max_tokens` are used up.

    The stop sequence itself is not part of the answer (API reference, `stop`). When all
    choices have been cut the source is closed: nobody waits for what it would still say.
    A reply that is signed as verbatim is left as it is. One that is signed with a count of its
    tokens that keeps `max_tokens` is not cut there, however many they are in our own count;
    where it does not keep them, ours decides, as only that can tell where to cut.
    """
    if not request.stop and request.max_tokens is None:
        return events
    return _bounded(events, request, tokenizer)


def _bounded(events: Events, request: ChatRequest, tokenizer: Tokenizer) -> Events:
    limit = request.max_tokens
    choices: dict[int, _Bounded] = {}
    with closing(events):
        for event in singly(events):
            if isinstance(event, ASIDES):
                yield event
                if isinstance(event, Stamped) and event.verbatim:
                    yield from events
                    return
                if isinstance(event, Stamped) and _keeps(event, limit):
                    limit = None
                continue
            if event.choice not in choices:
                budget = None if limit is None else tokenizer.budget(limit)
                choices[event.choice] = _Bounded(request.stop, budget)
            choice = choices[event.choice]
            yield from choice.cut(event)
            if len(choices) == request.n and all(one.ended for one in choices.values()):
                return


def _keeps(signed: Stamped, limit: int | None) -> bool:
    counted = signed.completion_tokens
    return limit is not None and counted is not None and counted <= limit


class _Bounded:
    """One choice: what it may still say, and text held back as a stop sequence may begin in it."""

    def __init__(self, stop: Sequence[str], budget: Budget | None) -> None:
        self._stop = stop
        self._budget = budget
        self._held = ""
        self.ended = False

    def cut(self, event: Said) -> list[Event]:
        if self.ended:
            return []
        match event:
            case TextDelta(text, choice):
                return self._text(text, choice)
            case ReasoningDelta(text, choice) | RefusalDelta(text, choice):
                cut, full = self._within(text)
                said: list[Event] = [type(event)(cut, choice)] if cut else []
                return said + (self._end("length", choice) if full else [])
            case ToolCallDelta(index, call_id, name, arguments, choice):
                self._within(name or "")
                cut, full = self._within(arguments)
                return [ToolCallDelta(index, call_id, name, cut, choice)] + (
                    self._end("length", choice) if full else []
                )
            case Finish(choice=choice):
                self.ended = True
                return [*self._release(len(self._held), choice), event]
            case _:
                return [event]

    def _text(self, text: str, choice: int) -> list[Event]:
        cut, full = self._within(text)
        self._held += cut
        # The sequence that is complete first counts, as if the text came letter by letter.
        found = [(at + len(stop), at) for stop in self._stop if (at := self._held.find(stop)) >= 0]
        if found:
            _, start = min(found)
            return self._release(start, choice) + self._end("stop", choice)
        if full:
            return self._release(len(self._held), choice) + self._end("length", choice)
        return self._release(len(self._held) - self._begun(), choice)

    def _begun(self) -> int:
        """Length of the longest end of the held text that may be the beginning of a stop."""
        longest = max(map(len, self._stop), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stop):
                return length
        return 0

    def _release(self, length: int, choice: int) -> list[Event]:
        text, self._held = self._held[:length], self._held[length:]
        return [TextDelta(text, choice)] if text else []

    def _within(self, text: str) -> tuple[str, bool]:
        """What of `text` there is room for, and whether that is less than all of it."""
        cut = text if self._budget is None else self._budget.take(text)
        return cut, len(cut) < len(text)

    def _end(self, reason: FinishReason, choice: int) -> list[Event]:
        self.ended = True
        return [Finish(reason, None, choice)]
