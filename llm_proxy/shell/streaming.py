"""A reply on its way to the client: pauses slept, silence bridged, the end accounted for.

Owns the order of things between a source and the wire: look-ahead, keep-alive, errors in
the middle, clients that leave. Knows no Flask and no JSON; time is a `Clock`.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import cast

from llm_proxy.core.reply import (
    ASIDES,
    Aside,
    AtHand,
    Event,
    Events,
    Finish,
    Noted,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    Said,
    Stamped,
    TextDelta,
    TextRun,
    ToolCallDelta,
    WireFault,
)
from llm_proxy.core.runs import singly
from llm_proxy.errors import ClientGone, ConnectionCut, InternalError, ProxyError
from llm_proxy.openai_api import sse
from llm_proxy.openai_api.surface import Encoder
from llm_proxy.records.exchange import Exchange, Outcome, outcome_of
from llm_proxy.shell.clock import Clock
from llm_proxy.shell.mishaps import mishap
from llm_proxy.shell.outbox import Outbox
from llm_proxy.shell.pauses import Waiting, lived
from llm_proxy.shell.pieces import AnswerInPieces, refuse_impossible

log = logging.getLogger(__name__)

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""On the wire, after which no more events of a reply are kept, nor are their moments."""

RESET_SECONDS = 1.0
"""For how long a reset of the connection may take: more than a way there and back."""


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
        self._fault: WireFault | None = None
        self._at_hand = False
        self._first: Event | None = None

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
                    self._exchange.signed(event)
                case WireFault():
                    refuse_impossible(event, self._clock)
                    self._fault = self._exchange.fault = event
                case AtHand():
                    self._at_hand = True
                case Noted() | Waiting():
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
    def _chunks(self) -> Generator[bytes, None, None]:
        # Only when it is to be iterated or closed: it and the stream hold each other until then.
        return self._run()

    @cached_property
    def _encoder(self) -> Encoder:
        return self._encoder_for(self._exchange.stamped)

    def _run(self) -> Generator[bytes, None, None]:
        exchange, trace = self._exchange, self._exchange.trace
        outbox = Outbox(holds=self._at_hand and self._fault is None)
        note = self._note if self._fault is None else _leave_to_others
        failure: ProxyError
        try:
            for event in self._from_the_first():
                if isinstance(event, TextRun):  # the most frequent first: each question costs
                    note(event)
                    yield from outbox.put(self._encoder.encode_run(event))
                elif isinstance(event, Waiting):
                    yield from outbox.rest()
                elif isinstance(event, ASIDES):
                    yield from outbox.rest()
                    if written := self._between(event):
                        yield written
                else:
                    note(event)
                    yield from outbox.put(self._encoder.encode(event))
            yield from self._ended(outbox.rest(self._encoder.end()), "done")
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
        exchange.met(failure)
        yield from self._ended(outbox.rest(self._encoder.fail(failure)), outcome_of(failure))

    def _ended(self, last: Iterable[bytes], outcome: Outcome) -> Iterator[bytes]:
        """The last pieces of an answer, which has come to this end once they are taken."""
        is_faulty = outcome == "done" and self._fault is not None
        self._exchange.ending("scripted" if is_faulty else outcome)  # unless the fault has missed
        if not self._clock.sees_client:
            # Whoever is in this process takes a piece by being given it, and may know from it
            # that no more will come: the SDK closes behind [DONE].
            self._exchange.outcome = outcome
        yield from last
        self._exchange.outcome = outcome

    def _between(self, event: Aside) -> bytes:
        """Act on what is no part of a choice; the bytes that it is on the wire."""
        match event:
            case Pause():
                return sse.KEEP_ALIVE
            case Stamped():  # behind the look-ahead: the source took its time
                self._exchange.signed(event)
            case WireFault():
                self._exchange.fault = event
                self._end_connection(reset=False)
        return b""

    def _note(self, event: Said | TextRun) -> None:
        """Keep what is told of an event later, as long as there is room."""
        exchange = self._exchange
        if exchange.size < MAX_EVENT_BYTES:
            exchange.course.came(event, self._clock.now())
        else:
            exchange.course.leave_out(event)
        if exchange.keep_bodies:
            exchange.said(_text_of(event), event.choice)
        if isinstance(event, Finish):
            exchange.usage = event.usage
            exchange.reasons.append(event.reason)

    def _from_the_first(self) -> Iterable[Event | Waiting]:
        """What is left of the reply; one by one where something is to go wrong behind so many."""
        if self._first is None:
            return ()
        events: Iterable[Event | Waiting] = chain((self._first,), self._events)
        if self._fault is None:
            return events
        return self._noted_when_sent(singly(cast(Iterable[Event], events)))

    def _noted_when_sent(self, events: Iterable[Event]) -> Iterator[Event]:
        """Note each event when the next one is asked for: a fault may keep it from the client."""
        for event in events:
            yield event
            if not isinstance(event, (Waiting, *ASIDES)):
                self._note(event)


def _leave_to_others(event: Said | TextRun) -> None:
    pass


def _text_of(event: Said | TextRun) -> str:
    """What an event says."""
    match event:
        case TextRun(pieces):
            return "".join(pieces)
        case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text):
            return text
        case ToolCallDelta():
            return event.arguments
        case _:
            return ""
