"""The nouns: what is asked (`ChatRequest`), and a reply as a stream of events.

Every source produces events, every wrapper changes them and every surface writes them
down, so a streamed answer and a JSON answer to one request cannot differ. Knows neither
JSON nor HTTP; nothing here sleeps or reads a clock.
"""

import re
from collections.abc import Generator, Iterable, Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct, field

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
Endpoint = Literal["chat", "completions", "responses"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class ToolCall(Struct, frozen=True):
    """A finished call of a tool; `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(Struct, frozen=True, kw_only=True):
    """One message of the conversation, the same for every surface.

    `text` joins the text parts with newlines; `attachments` counts the parts that are not
    text (images, audio, files). `tokens` counts what was sent as numbers, whose text is not
    known.
    """

    role: Role
    text: str = ""
    attachments: int = 0
    tokens: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Tool(Struct, frozen=True, kw_only=True):
    """A tool that may be called, as the surface understood it.

    `parameters` is the JSON Schema of its arguments. A `custom` tool takes free text instead.
    `definition` is what was sent.
    """

    name: str
    definition: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    custom: bool = False


class ToolChoice(Struct, frozen=True):
    """Whether a tool must, may or must not be called, and which (none named: any of them)."""

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()


class ChatRequest(Struct, frozen=True, kw_only=True):
    """What a surface understood of a request.

    `schema` is the JSON Schema that the text of the answer must satisfy, as JSON; empty for
    any JSON object. `previous` is the id of a stored reply that this request goes on from.
    `max_tokens` bounds each choice. `top_logprobs` is the number of
    alternatives wanted beside the log probability of each token, if that is wanted at all.
    `document` is the request as sent; `unknown` are its top-level fields that the surface
    does not know, kept so that they can be reported.
    """

    model: str
    messages: tuple[Message, ...]
    endpoint: Endpoint = "chat"
    stream: bool = False
    include_usage: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    schema: Mapping[str, Any] | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    store: bool = False
    previous: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def last_user_text(self) -> str:
        """Text of the last message with role `user`, or an empty string if there is none."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")


class Usage(Struct, frozen=True):
    """Tokens counted for one exchange; `reasoning_tokens` are part of the completion's."""

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Pause(Struct, frozen=True, gc=False):
    """Time that passes before the next event, in seconds after the event before it was due.

    Zero means that the source has nothing yet: whoever waits gets a turn to look after the
    client, and the schedule starts anew.
    """

    seconds: float


class TextDelta(Struct, frozen=True, gc=False):
    """A piece of the visible answer."""

    text: str
    choice: int = 0


class ReasoningDelta(Struct, frozen=True, gc=False):
    """A piece of what a reasoning model thinks aloud."""

    text: str
    choice: int = 0


class RefusalDelta(Struct, frozen=True, gc=False):
    """A piece of the model's refusal to answer."""

    text: str
    choice: int = 0


class ToolCallDelta(Struct, frozen=True, gc=False):
    """A piece of a tool call: `id` and `name` come in the first piece of each `index` only."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    choice: int = 0


class Annotations(Struct, frozen=True):
    """Ids of the documents that the answer cites, distinct, in order of first appearance."""

    citations: tuple[str, ...]
    choice: int = 0


class Finish(Struct, frozen=True):
    """The end of one choice. `usage` is empty until the tokens have been counted."""

    reason: FinishReason = "stop"
    usage: Usage | None = None
    choice: int = 0


Event = Pause | TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | Annotations | Finish

Events = Generator[Event, None, None]
"""A reply under way. Whoever wraps one closes it, so that closing the outermost frees all."""

IDLE = Pause(0.0)

_WORD = re.compile(r"\S+\s*|\s+")


class Source(Protocol):
    """Where replies come from."""

    def reply(self, request: ChatRequest) -> Events:
        """Yield the events of a reply: exactly one `Finish` for each choice, last.

        Raises:
            ProxyError: there is no reply, or it broke off; at any time.
        """


class Choice(Struct):
    """One choice of a finished reply; `pieces` joined are its text."""

    pieces: tuple[str, ...] = ()
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    citations: tuple[str, ...] = ()
    reason: FinishReason = "stop"

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Reply(Struct, frozen=True):
    """A finished reply: its choices in the order of their index."""

    choices: tuple[Choice, ...]
    usage: Usage


def spoken(text: str, choice: int = 0) -> Events:
    """Say `text` word by word, each with the white space behind it, and finish with `stop`."""
    for word in words(text):
        yield TextDelta(word, choice)
    yield Finish("stop", None, choice)


def words(text: str) -> list[str]:
    """Cut `text` behind each run of white space; the pieces joined are `text` again."""
    return _WORD.findall(text)


def collect(events: Iterable[Event]) -> Reply:
    """Fold the events of a whole reply into one value.

    Raises:
        ProxyError: as the source raises it.
    """
    folding: dict[int, _Folding] = {}
    usage = Usage(0, 0)
    for event in events:
        if isinstance(event, Pause):
            continue
        choice = folding.setdefault(event.choice, _Folding())
        choice.add(event)
        if isinstance(event, Finish) and event.usage is not None:
            usage = event.usage
    return Reply(tuple(folding[index].choice() for index in sorted(folding)), usage)


class _Folding:
    """One choice while its pieces arrive."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, list[str]] = {}
        self.citations: tuple[str, ...] = ()
        self.reason: FinishReason = "stop"

    def add(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                self.text.append(text)
            case ReasoningDelta(text):
                self.reasoning.append(text)
            case RefusalDelta(text):
                self.refusal.append(text)
            case ToolCallDelta(index, call_id, name, arguments):
                call = self.calls.setdefault(index, [call_id or "", name or ""])
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
        return Choice(
            tuple(self.text),
            "".join(self.reasoning),
            "".join(self.refusal),
            calls,
            self.citations,
            self.reason,
        )
