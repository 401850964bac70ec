"""Streams of replies without a server: time that nobody waits for, bytes that can be read."""

from collections.abc import Iterable
from typing import NoReturn

from llm_proxy.core.reply import Event, Events, Said, TextDelta
from llm_proxy.errors import ClientGone, ConnectionCut, ProxyError
from llm_proxy.openai_api.surface import Encoder
from llm_proxy.records.exchange import Exchange
from llm_proxy.shell.clock import Clock
from llm_proxy.shell.pauses import Waiting, lived
from llm_proxy.shell.streaming import EventStream
from tests.builders import stream_of


class FakeClock:
    """Time that passes only when it is waited for; the client leaves at `leaves_at`."""

    def __init__(self, leaves_at: float = float("inf")) -> None:
        self.time = 0.0
        self.leaves_at = leaves_at
        self.can_cut = True
        self.can_reset = False
        self.sees_client = True

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += max(seconds, 0.0)
        if self.time >= self.leaves_at:
            raise ClientGone

    def client_reads(self, seconds: float) -> bool:  # noqa: ARG002
        return False

    def cut(self, *, reset: bool) -> NoReturn:  # noqa: ARG002
        raise ConnectionCut


class PlainEncoder(Encoder):
    """Writes texts as they are, so that the order on the wire can be read."""

    def encode(self, event: Said) -> bytes:
        return event.text.encode() if isinstance(event, TextDelta) else b""

    def fail(self, error: ProxyError) -> bytes:
        return b"failed: " + error.message.encode()

    def end(self) -> bytes:
        return b"end"


class Told(list[Exchange]):
    """The exchanges that were told of."""

    def exchange(self) -> Exchange:
        return Exchange(method="POST", path="/", tell=self.append)


def stream(
    events: Iterable[Event | Exception], told: Told, clock: Clock, silence_seconds: float = 0
) -> EventStream:
    source = stream_of(events)
    return EventStream(source, lambda _: PlainEncoder(), told.exchange(), clock, silence_seconds)


def drained(reply: EventStream) -> list[bytes]:
    reply.look_ahead()
    chunks = list(reply)
    reply.close()
    return chunks


def timed(
    events: Events, clock: FakeClock, silence_seconds: float = 0
) -> list[tuple[float, Event]]:
    """What is lived through, and when."""
    through = lived(events, clock, silence_seconds)
    return [(clock.time, event) for event in through if not isinstance(event, Waiting)]
