"""A reply on its way to the client: pauses slept, silence bridged, the end accounted for.

Owns the order of things between a source and the wire: look-ahead, keep-alive, errors in
the middle, clients that leave. Knows no Flask and no JSON; time is a `Clock`.
"""

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import cached_property
from itertools import chain, repeat

from llm_proxy.clock import Clock
from llm_proxy.errors import ClientGone, ConnectionCut, InternalError, ProxyError
from llm_proxy.exchange import Exchange, outcome_of
from llm_proxy.mishaps import mishap
from llm_proxy.openai_api import sse
from llm_proxy.openai_api.surface import Encoder
from llm_proxy.pieces import AnswerInPieces, refuse_impossible
from llm_proxy.reply import (
    ASIDES,
    IDLE,
    Event,
    Events,
    Finish,
    Noted,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    Stamped,
    TextDelta,
    TextRun,
    ToolCallDelta,
    WireFault,
)
from llm_proxy.runs import singly
from llm_proxy.ticks import now
from llm_proxy.trace import MAX_EVENT_BYTES

log = logging.getLogger(__name__)

MAX_WRITE_BYTES = 16 * 1024
"""Of what is sent together, so that no client has to wait for the end of a long write."""

MAX_RUN = 64
"""Pieces that are written down together: as many chunks as usually make up such a write."""

RESET_SECONDS = 1.0
"""For how long a reset of the connection may take: more than a way there and back."""


def lived(
    events: Events, clock: Clock, silence_seconds: float = 0.0, *, whole: bool = False
) -> Events:
    """Live through the pauses and yield the other events, each when it is due.

    Pauses add up from event to event, so that one that ends late does not delay the next.
    Of a run those pieces come together that are due; a `whole` reply is wanted at its end only,
    so all of them. `IDLE` is yielded whenever nothing else has been for `silence_seconds`
    (0: never), but for the pauses that are silent.

    Raises:
        ClientGone: the client left during a pause.
    """
    due = spoke = clock.now()

    def until_due() -> Events:
        nonlocal spoke
        while True:
            until = min(due, spoke + silence_seconds) if silence_seconds else due
            clock.wait(until - clock.now())
            if silence_seconds and clock.now() >= spoke + silence_seconds:
                yield IDLE
                spoke = clock.now()
            if clock.now() >= due:
                return

    with closing(events):
        for event in events:
            match event:
                case Pause(seconds, silent):
                    due = due + seconds if seconds else clock.now()
                    if silent:
                        clock.wait(due - clock.now())
                        spoke = clock.now()
                    else:
                        yield from until_due()
                    continue
                case TextRun(_, _, delays) if delays and whole:
                    due += sum(delays)
                    yield from until_due()
                    yield event
                case TextRun(pieces, choice, delays) if delays:
                    begun = 0
                    for at, delay in enumerate(delays):
                        due += delay
                        if due > clock.now():
                            if begun < at:
                                yield TextRun(pieces[begun:at], choice)
                                begun, spoke = at, clock.now()
                            yield from until_due()
                    yield TextRun(pieces[begun:], choice)
                case _:
                    yield event
            if silence_seconds:
                spoke = clock.now()


class EventStream(AnswerInPieces):
    """The body of a streaming answer. `encoder` makes one for the reply as it is signed."""

    def __init__(
        self,
        events: Events,
        encoder: Callable[[Stamped], Encoder],
        exchange: Exchange,
        clock: Clock,
        silence_seconds: float,
    ) -> None:
        super().__init__(exchange, clock)
        exchange.streams()
        self._events = lived(events, clock, silence_seconds)
        self._encoder_for = encoder
        self._stamped = Stamped()
        self._fault: WireFault | None = None
        self._first: Event | None = None
        self._chunks = self._run()

    def look_ahead(self) -> None:
        """Wait for the first event, so that a failure before it can still be an HTTP status.

        A silence of `silence_seconds` ends the wait: a client that sees nothing for longer
        may give up, so it is sent the headers and a comment.

        Raises:
            ProxyError: there will be no reply.
            ClientGone: there is nobody left to answer.
        """
        for event in self._events:
            match event:
                case Stamped():
                    self._sign(event)
                case WireFault():
                    refuse_impossible(event, self._clock)
                    self._fault = self._exchange.fault = event
                case Noted():
                    continue
                case _:
                    self._first = event
                    return

    def __iter__(self) -> Iterator[bytes]:
        if self._fault is not None:
            return self._played(mishap(self._chunks, self._fault))
        return map(self._exchange.sent, self._chunks)

    def close(self) -> None:
        self._chunks.close()
        self._events.close()
        super().close()

    @cached_property
    def _encoder(self) -> Encoder:
        return self._encoder_for(self._stamped)

    def _sign(self, stamped: Stamped) -> None:
        self._stamped = stamped
        self._exchange.origin = stamped.origin
        self._exchange.signed_model = stamped.model
        self._exchange.limited(stamped.limits)

    def _run(self) -> Generator[bytes, None, None]:
        exchange, trace = self._exchange, self._exchange.trace
        moment, ticks = self._clock.now, exchange.ticks
        failure: ProxyError
        try:
            for event in self._in_portions():
                match event:
                    case Pause():
                        yield sse.KEEP_ALIVE
                        continue
                    case Stamped():  # behind the look-ahead: the source took its time
                        self._sign(event)
                        continue
                    case WireFault():
                        exchange.fault = event
                        self._end_connection(reset=False)
                    case Noted():
                        continue
                if trace is not None:
                    if exchange.size < MAX_EVENT_BYTES:
                        trace.events.append(event)
                        trace.at.append(moment())
                    else:
                        trace.left_out += 1
                match event:
                    case TextRun(pieces):
                        yield from sse.portions(self._encoder.encode_run(event), MAX_WRITE_BYTES)
                        ticks.extend(repeat(now(), len(pieces)))
                        exchange.said("".join(pieces))
                        continue
                if chunk := self._encoder.encode(event):
                    yield chunk
                match event:
                    case Finish(reason, usage):
                        exchange.usage = usage
                        exchange.reasons.append(reason)
                    case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text):
                        ticks.append(now())
                        exchange.said(text)
                    case ToolCallDelta():
                        ticks.append(now())
                        exchange.said(event.arguments)
            exchange.ending("done" if self._fault is None else "scripted")
            yield self._encoder.end()
            exchange.outcome = "done"
            return
        except ClientGone:
            if trace is not None:
                # Who has closed the connection answers this with a reset, others go on reading.
                yield sse.KEEP_ALIVE
                trace.read_on = self._clock.client_reads(RESET_SECONDS)
            return
        except ConnectionCut:
            raise
        except ProxyError as error:
            failure = error
        except Exception:
            log.exception("A reply broke off, request id %s", exchange.id)
            failure = InternalError(f"The reply broke off. The request id is {exchange.id}.")
        exchange.error = failure
        exchange.ending(outcome_of(failure))
        yield self._encoder.fail(failure)
        exchange.ended_by(failure)

    def _in_portions(self) -> Iterator[Event]:
        """What is left of the reply from its first event on, in as much as is sent together.

        The first piece is sent by itself, so that it is not held up by what is made of the
        others; where something is to go wrong behind so many events, so are all.
        """
        if self._first is None:
            return
        events = chain((self._first,), self._events)
        alone = True
        for event in events if self._fault is None else singly(events):
            if not isinstance(event, TextRun):
                alone = alone and isinstance(event, ASIDES)
                yield event
                continue
            pieces, choice = event.pieces, event.choice
            if alone:
                yield TextDelta(pieces[0], choice)
                alone, pieces = False, pieces[1:]
            for start in range(0, len(pieces), MAX_RUN):
                yield TextRun(pieces[start : start + MAX_RUN], choice)
