"""A reply as a stream of events, and the value that they fold to.

Every source produces events, every wrapper changes them and every surface writes them
down, so a streamed answer and a JSON answer to one request cannot differ. Knows neither
JSON nor HTTP; nothing here sleeps or reads a clock.
"""

import re
from collections.abc import Generator, Mapping
from typing import Literal, Protocol

from msgspec import Struct

from llm_proxy.core.chat_request import ChatRequest, ToolCall

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
WireFaultKind = Literal[
    "disconnect",
    "reset",
    "stall",
    "slow_drip",
    "truncate",
    "malformed",
    "duplicate",
    "split_utf8",
    "coalesce",
    "crlf",
    "no_space",
    "multi_line",
    "comment",
    "no_final_blank_line",
]


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
    client, and the schedule starts anew. In a `silent` one not even a comment is sent.
    """

    seconds: float
    silent: bool = False


class Stamped(Struct, frozen=True):
    """How a reply is signed where its source has a say in it; before anything that is said.

    `origin` tells people which source it was, and which part of it. `id` is a whole one, with
    its prefix; `created` is in Unix seconds. What is not set is made up by the shell. A
    `verbatim` reply is passed on as it comes: whoever writes it keeps the limits of this
    request by counting in its own way, so nobody is to cut it again, and what it did not sign is
    left out. One that was written for another request tells the `completion_tokens` that were
    counted then, if it is known. `limits` are the headers in which it told of its rate limits;
    None where it keeps none.
    """

    origin: str = ""
    id: str | None = None
    created: int | None = None
    model: str | None = None
    fingerprint: str | None = None
    verbatim: bool = False
    completion_tokens: int | None = None
    service_tier: str | None = None
    limits: Mapping[str, str] | None = None


class WireFault(Struct, frozen=True):
    """What is to go wrong with the bytes of a reply; the first event of all, before any pause.

    It strikes after so many server-sent events (`after`), and takes so many `seconds` where
    it takes time; what each kind does is told by `mishaps`. One that comes later, which can
    only be a `disconnect`, strikes there and then.
    """

    kind: WireFaultKind
    after: int = 0
    seconds: float | None = None


class AtHand(Struct, frozen=True):
    """All that follows is there: whoever sends it waits for nothing but for the pauses in it.

    What is due at one moment may then be sent together.
    """


AT_HAND = AtHand()

Fact = str | int | float


class Noted(Struct, frozen=True):
    """What a source tells about how a reply came about, for the log; before anything else.

    The source goes on filling `facts` in until the reply is over, however it ends.
    """

    facts: Mapping[str, Fact]


class TextDelta(Struct, frozen=True, gc=False):
    """A piece of the visible answer."""

    text: str
    choice: int = 0


class TextRun(Struct, frozen=True):
    """Pieces of the visible answer that a source has at one moment, each a delta of its own.

    They may be sent together, as far as they are due: `delays`, if there are any, are the
    seconds that pass before each, as in a `Pause`. `runs.singly` makes single deltas of them.
    """

    pieces: tuple[str, ...]
    choice: int = 0
    delays: tuple[float, ...] = ()


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


Said = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | Annotations | Finish
"""An event that is part of a choice."""

Aside = Pause | Stamped | WireFault | AtHand | Noted
"""An event that belongs to no choice: the shell acts on it, and no surface writes it down."""

ASIDES = (Pause, Stamped, WireFault, AtHand, Noted)

Event = Said | TextRun | Aside

Events = Generator[Event, None, None]
"""A reply under way. Whoever wraps one closes it, so that closing the outermost frees all."""

IDLE = Pause(0.0)

MANY_PIECES = 64
"""From so many on a word that comes again is held once: a slow stream holds its text for long."""

_WORD = re.compile(r"\S+\s*|\s+")


class Source(Protocol):
    """Where replies come from."""

    def reply(self, request: ChatRequest) -> Events:
        """Yield the events of a reply: exactly one `Finish` for each choice, last.

        Raises:
            ProxyError: there is no reply, or it broke off; at any time.
        """


class Choice(Struct):
    """One choice of a finished reply; `pieces` joined are its text.

    `said_before` tells for each tool call how many of the pieces came before it, where text
    comes after a call; else it is empty.
    """

    pieces: tuple[str, ...] = ()
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    citations: tuple[str, ...] = ()
    reason: FinishReason = "stop"
    said_before: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Reply(Struct, frozen=True):
    """A finished reply: its choices in the order of their index, and what was said aside."""

    choices: tuple[Choice, ...]
    usage: Usage
    stamped: Stamped = Stamped()
    fault: WireFault | None = None


def spoken(text: str, choice: int = 0) -> Events:
    """Say `text` word by word, each with the white space behind it, and finish with `stop`."""
    if pieces := words(text):
        if len(pieces) > MANY_PIECES:
            once: dict[str, str] = {}
            pieces = [once.setdefault(piece, piece) for piece in pieces]
        yield TextRun(tuple(pieces), choice)
    yield Finish("stop", None, choice)


def words(text: str) -> list[str]:
    """Cut `text` behind each run of white space; the pieces joined are `text` again."""
    return _WORD.findall(text)
