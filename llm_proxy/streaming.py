"""A reply on its way to the client: pauses slept, silence bridged, the end accounted for.

Owns the order of things between a source and the wire: look-ahead, keep-alive, errors in
the middle, clients that leave. Knows no Flask and no JSON; time is a `Clock`.
"""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing

from llm_proxy.clock import Clock
from llm_proxy.errors import ClientGone, InternalError, ProxyError
from llm_proxy.exchange import Exchange
from llm_proxy.openai_api import sse
from llm_proxy.openai_api.surface import Encoder
from llm_proxy.reply import (
    IDLE,
    Event,
    Events,
    Finish,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)

log = logging.getLogger(__name__)


def lived(events: Events, clock: Clock, silence_seconds: float = 0.0) -> Events:
    """Live through the pauses and yield the other events, each when it is due.

    Pauses add up from event to event, so that one that ends late does not delay the next.
    `IDLE` is yielded whenever nothing else has been for `silence_seconds` (0: never).

    Raises:
        ClientGone: the client left during a pause.
    """
    due = spoke = clock.now()
    with closing(events):
        for event in events:
            if not isinstance(event, Pause):
                yield event
                if silence_seconds:
                    spoke = clock.now()
                continue
            due = due + event.seconds if event.seconds else clock.now()
            while True:
                until = min(due, spoke + silence_seconds) if silence_seconds else due
                clock.wait(until - clock.now())
                if silence_seconds and clock.now() >= spoke + silence_seconds:
                    yield IDLE
                    spoke = clock.now()
                if clock.now() >= due:
                    break


class EventStream:
    """The body of a streaming answer, as WSGI iterates it.

    A class, because a generator that was never started never runs its `finally`: the server
    calls `close` in any case, which closes the source and ends the exchange.
    """

    def __init__(
        self,
        events: Events,
        encoder: Encoder,
        exchange: Exchange,
        clock: Clock,
        silence_seconds: float,
    ) -> None:
        self._events = lived(events, clock, silence_seconds)
        self._encoder = encoder
        self._exchange = exchange
        exchange.outcome = "client gone"  # until the server has taken the last byte
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
        self._first = next(self._events, None)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._chunks.close()
        self._events.close()
        self._exchange.end()

    def _run(self) -> Generator[bytes, None, None]:
        exchange, encoder = self._exchange, self._encoder
        failure: ProxyError
        try:
            for event in self._from_the_first():
                if chunk := sse.KEEP_ALIVE if event is IDLE else encoder.encode(event):
                    yield exchange.sent(chunk)
                match event:
                    case Finish(usage=usage):
                        exchange.usage = usage
                    case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text):
                        exchange.said(text)
                    case ToolCallDelta():
                        exchange.said(event.arguments)
            yield exchange.sent(encoder.end())
            exchange.outcome = "done"
            return
        except ClientGone:
            return
        except ProxyError as error:
            failure = error
        except Exception:
            log.exception("A reply broke off, request id %s", exchange.id)
            failure = InternalError(f"The reply broke off. The request id is {exchange.id}.")
        yield exchange.sent(encoder.fail(failure))
        exchange.ended_by(failure)

    def _from_the_first(self) -> Iterator[Event]:
        if self._first is not None:
            yield self._first
            yield from self._events
