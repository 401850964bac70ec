"""One request and what became of it: the facts that the request log and the journal tell.

Filled in while the request is served, told once when it is over. Knows no Flask, no log
format and no journal.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

from llm_proxy.errors import (
    ClientGone,
    FaultNotPossible,
    ProxyError,
    ScriptedError,
    UpstreamError,
)
from llm_proxy.reply import Events, Fact, Noted, Usage

Outcome = Literal["done", "refused", "failed", "upstream failed", "client gone", "scripted"]


def _kept_nowhere(exchange: "Exchange", outcome: Outcome, again: bool) -> None:
    pass


@dataclass(kw_only=True)
class Exchange:
    """The record of one request.

    `outcome`: `done`; `refused` (the client's mistake), `failed` (ours), `upstream failed`;
    `client gone` (it left before the end); `scripted` (a fault that somebody asked for).
    `origin` tells which source answered, `notes` what sources told of how they did. `size` is
    the bytes of the answer's body, which is itself kept only where `keep_bodies` says so.
    `came_at` is in Unix seconds. `headers` go out with the answer. `record` writes the exchange
    down as one that ended in an outcome, and is told whether that is done again. `objections`
    tells what OpenAI would have refused, when it is called: to find out takes longer than to
    answer.
    """

    method: str
    path: str
    tell: Callable[["Exchange"], None]
    record: Callable[["Exchange", Outcome, bool], None] = _kept_nowhere
    namespace: str = ""
    keep_bodies: bool = False
    id: str = field(default_factory=lambda: f"req_{secrets.token_hex(16)}")
    status: int = 0
    model: str | None = None
    origin: str = ""
    notes: list[Mapping[str, Fact]] = field(default_factory=list)
    stream: bool = False
    usage: Usage | None = None
    size: int = 0
    objections: Callable[[], Sequence[ProxyError]] = tuple
    headers: dict[str, str] = field(default_factory=dict)
    outcome: Outcome = "done"
    request_body: bytes = b""
    response_body: list[bytes] = field(default_factory=list)
    came_at: float = field(default_factory=time.time)
    seconds: float = 0.0
    _recorded: tuple[int, Outcome] | None = None
    _began: float = field(default_factory=time.monotonic)
    _over: bool = False

    def sent(self, chunk: bytes) -> bytes:
        """Account for a piece of the answer's body, and give it back."""
        self.size += len(chunk)
        return chunk

    def said(self, text: str | bytes) -> None:
        """Keep a piece of the answer, if bodies are kept.

        Of a stream that is its text, not its chunks: what has to be taken out of a log, such
        as a key behind its name, may be spread over several.
        """
        if self.keep_bodies:
            self.response_body.append(text if isinstance(text, bytes) else text.encode())

    def noting(self, events: Events) -> Events:
        """Take the notes out of `events`, and yield the others."""
        with closing(events):
            for event in events:
                if isinstance(event, Noted):
                    self.notes.append(event.facts)
                else:
                    yield event

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

    def ending(self, outcome: Outcome) -> None:
        """Have the exchange written down, before the last bytes of its answer go out.

        Whoever has the whole answer then finds the exchange, whichever worker is asked. If it
        ends in another way after all, it is written down anew.
        """
        if self._recorded != (self.status, outcome):
            again, self._recorded = self._recorded is not None, (self.status, outcome)
            self.record(self, outcome, again)

    def elapsed_seconds(self) -> float:
        """Time since the request came."""
        return time.monotonic() - self._began

    def end(self) -> None:
        """Write the exchange down and tell of it; the first call counts, later ones do nothing."""
        if not self._over:
            self._over = True
            self.seconds = self.elapsed_seconds()
            self.ending(self.outcome)
            self.tell(self)


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
