"""One request and what became of it: the facts that the log, the journal and metrics tell.

Filled in while the request is served, told once when it is over. Knows no Flask, and nothing
of those who are told.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal, Protocol

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import Events, Fact, FinishReason, Noted, Stamped, Usage, WireFault
from llm_proxy.errors import (
    ClientGone,
    FaultNotPossible,
    ProxyError,
    ScriptedError,
    UpstreamError,
)
from llm_proxy.records.course import Course
from llm_proxy.records.ids import made_up
from llm_proxy.records.trace import Trace

Outcome = Literal["done", "refused", "failed", "upstream failed", "client gone", "scripted"]


class Observer(Protocol):
    """Somebody who is told how exchanges go on."""

    def streams(self, exchange: "Exchange", /) -> None:
        """The exchange is answered by a stream, which is open from now until it ends."""

    def noted(self, exchange: "Exchange", facts: Mapping[str, Fact], /) -> None:
        """A source has begun to tell facts, which it fills in until the exchange is over."""

    def ended(self, exchange: "Exchange", /) -> None:
        """The exchange is over, and all that is to be known of it is."""


class Traces(Protocol):
    """Where exchanges are made part of what is traced over several services."""

    def begun(
        self, exchange: "Exchange", headers: Mapping[str, str]
    ) -> tuple[Observer, Mapping[str, str]]:
        """Whoever traces the exchange of a client that sent these headers.

        Further come the headers that tell those of it who are asked on behalf of the client.
        """


def _kept_nowhere(exchange: "Exchange") -> None:
    pass


@dataclass(kw_only=True, slots=True)
class Exchange:
    """The record of one request.

    `outcome`: `done`; `refused` (the client's mistake), `failed` (ours), `upstream failed`;
    `client gone` (it left before the end); `scripted` (a fault that somebody asked for).
    `route` is the rule of the URL that fits the path, or empty. `origin` tells which source
    answered; `stamped` is how it signed its reply, `reasons` are why its choices ended. `size`
    is the bytes of the answer's body, which is itself kept only where `keep_bodies` says so.
    `came_at` is in Unix seconds; `began` is the same moment on the monotonic clock. `course`
    tells what came of a stream, and when; `open` that it is one.
    `headers` go out with the answer. `asked` is the request as the server understood it, `notes`
    are what sources told of how they did, `fault` is what was made to go wrong, `error` what did.
    `observers` are told how it goes on. `record` has the exchange written down, as one that ended
    in `ended_as`; where it does, `trace` keeps what is needed for that, such as the first
    `keep_bytes` of the answer. `objections` tells what OpenAI would have refused, when it is
    called: to find out takes longer than to answer.
    """

    method: str
    path: str
    route: str = ""
    tell: Callable[["Exchange"], None]
    record: Callable[["Exchange"], None] = _kept_nowhere
    trace: Trace | None = None
    keep_bytes: int = 0
    observers: tuple[Observer, ...] = ()
    namespace: str = ""
    keep_bodies: bool = False
    id: str = field(default_factory=lambda: "req_" + made_up(32))
    status: int = 0
    model: str | None = None
    stamped: Stamped = Stamped()
    origin: str = ""
    asked: ChatRequest | None = None
    notes: list[Mapping[str, Fact]] = field(default_factory=list)
    fault: WireFault | None = None
    error: ProxyError | None = None
    stream: bool = False
    open: bool = False
    course: Course = field(default_factory=Course)
    reasons: list[FinishReason] = field(default_factory=list)
    usage: Usage | None = None
    size: int = 0
    objections: Callable[[], Iterable[ProxyError]] = tuple
    headers: dict[str, str] = field(default_factory=dict)
    outcome: Outcome = "done"
    request_body: bytes = b""
    response_body: dict[int, list[bytes]] = field(default_factory=dict)
    came_at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    ended_as: Outcome | None = None
    over: bool = False

    def sent(self, chunk: bytes) -> bytes:
        """Account for a piece of the answer's body, and give it back."""
        if self.size < self.keep_bytes and self.trace is not None:
            self.trace.pieces.append(chunk)
        self.size += len(chunk)
        return chunk

    def said(self, text: str | bytes, choice: int = 0) -> None:
        """Keep a piece of the answer, if bodies are kept.

        Of a stream that is its text, not its chunks: what has to be taken out of a log, such
        as a key behind its name, may be spread over several. Choices that take turns are
        kept apart.
        """
        if self.keep_bodies:
            said = text if isinstance(text, bytes) else text.encode()
            self.response_body.setdefault(choice, []).append(said)

    def noting(self, events: Events) -> Events:
        """Take the notes out of `events`, and yield the others."""
        with closing(events):
            for event in events:
                if isinstance(event, Noted):
                    self.notes.append(event.facts)
                    for observer in self.observers:
                        observer.noted(self, event.facts)
                else:
                    yield event

    def streams(self) -> None:
        """Say that the answer is a stream, which `end` closes."""
        self.open = True
        for observer in self.observers:
            observer.streams(self)

    def signed(self, stamped: Stamped) -> None:
        """Have the answer tell what the source signed its reply with."""
        self.stamped, self.origin = stamped, stamped.origin
        self.limited(stamped.limits)

    def limited(self, limits: Mapping[str, str] | None) -> None:
        """Have the answer tell of the limits that somebody else keeps, if so, and not of ours."""
        if limits is not None:
            ours = [name for name in self.headers if name.startswith("x-ratelimit-")]
            for name in ours:
                del self.headers[name]
            self.headers |= limits

    def ended_by(self, error: ProxyError | ClientGone) -> None:
        """Say that `error` was how the exchange ended."""
        self.outcome = outcome_of(error)
        if isinstance(error, ProxyError):
            self.met(error)

    def met(self, error: ProxyError) -> None:
        """Keep an error, without the frames that it came through.

        They hold the exchange, with the body of its request, which holds the error: that would
        all stay in memory until garbage is collected.
        """
        self.error = error
        error.__traceback__ = error.__context__ = error.__cause__ = None

    def ending(self, outcome: Outcome) -> None:
        """Have the exchange written down, before the last bytes of its answer go out.

        Whoever has the whole answer then finds the exchange, whichever worker is asked. At its
        end it is written down anew, with what only shows then.
        """
        self.ended_as = outcome
        self.record(self)

    def elapsed_seconds(self) -> float:
        """Time since the request came."""
        return time.monotonic() - self.began

    def end(self) -> None:
        """Write the exchange down and tell of it; the first call counts, later ones do nothing."""
        if not self.over:
            self.seconds = self.elapsed_seconds()
            self.over = True
            self.ending(self.outcome)
            self.tell(self)
            for observer in self.observers:
                observer.ended(self)


def outcome_of(error: ProxyError | ClientGone) -> Outcome:
    """How an exchange ends that `error` ends."""
    match error:
        case ClientGone():
            return "client gone"
        case UpstreamError():
            return "upstream failed"
        case ScriptedError():
            return "scripted"
        case FaultNotPossible():
            return "refused"
        case _:
            return "refused" if error.status < 500 else "failed"
