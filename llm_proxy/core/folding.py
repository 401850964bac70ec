"""The fold: the events of a whole reply, made into one value."""

from collections import defaultdict
from collections.abc import Iterable

from llm_proxy.core.chat_request import ToolCall
from llm_proxy.core.reply import (
    Annotations,
    AtHand,
    Choice,
    Event,
    Finish,
    FinishReason,
    Noted,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Said,
    Stamped,
    TextDelta,
    TextRun,
    ToolCallDelta,
    Usage,
    WireFault,
)


def collect(events: Iterable[Event]) -> Reply:
    """Fold the events of a whole reply into one value.

    Raises:
        ProxyError: as the source raises it.
    """
    folding: defaultdict[int, _Folding] = defaultdict(_Folding)
    usage = Usage(0, 0)
    stamped: Stamped | None = None
    fault: WireFault | None = None
    for event in events:
        match event:
            case Pause() | AtHand() | Noted():
                continue
            case Stamped():
                stamped = stamped or event
                continue
            case WireFault():
                fault = fault or event
                continue
            case Finish(usage=Usage() as counted):
                usage = counted
        folding[event.choice].add(event)
    choices = tuple(folding[index].choice() for index in sorted(folding))
    return Reply(choices, usage, stamped or Stamped(), fault)


class _Folding:
    """One choice while its pieces arrive."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, list[str]] = {}
        self.said_before: dict[int, int] = {}
        self.citations: tuple[str, ...] = ()
        self.reason: FinishReason = "stop"

    def add(self, event: Said | TextRun) -> None:
        match event:
            case TextRun(pieces):
                self.text += pieces
            case TextDelta(text):
                self.text.append(text)
            case ReasoningDelta(text):
                self.reasoning.append(text)
            case RefusalDelta(text):
                self.refusal.append(text)
            case ToolCallDelta(index, call_id, name, arguments):
                call = self.calls.setdefault(index, [call_id or "", name or ""])
                self.said_before.setdefault(index, len(self.text))
                call.append(arguments)
            case Annotations(citations):
                self.citations = citations
            case Finish(reason):
                self.reason = reason

    def choice(self) -> Choice:
        calls = tuple(
            ToolCall(call_id, name, "".join(arguments))
            for _, (call_id, name, *arguments) in sorted(self.calls.items())
        )
        said_before = tuple(count for _, count in sorted(self.said_before.items()))
        return Choice(
            tuple(self.text),
            "".join(self.reasoning),
            "".join(self.refusal),
            calls,
            self.citations,
            self.reason,
            said_before if any(count < len(self.text) for count in said_before) else (),
        )
