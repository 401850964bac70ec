"""Answers in pieces: bodies that are not sent at once, so that something can happen to them.

Plays on the wire what `mishaps` thinks up. Knows no Flask and no JSON; time and the
connection are a `Clock`.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import NoReturn

from llm_proxy.core.reply import Pause, WireFault
from llm_proxy.errors import ClientGone, FaultNotPossible
from llm_proxy.records.exchange import Exchange
from llm_proxy.shell.clock import Clock
from llm_proxy.shell.mishaps import Cut, Missed, Wire, document_mishap

CANNOT_CUT = (
    "This server ends every answer in good order, so that none can be cut: the faults "
    "'disconnect' and 'reset' need gunicorn. The fault 'truncate' ends an answer too early, too."
)


def refuse_impossible(fault: WireFault | None, clock: Clock) -> None:
    """See to it that a fault can be made.

    Raises:
        FaultNotPossible: this server cannot make it.
    """
    match fault:
        case WireFault("reset") if not clock.can_reset:
            raise FaultNotPossible(
                "This server cannot reset a connection: the fault 'reset' needs gunicorn. "
                "The fault 'disconnect' ends the connection, too."
                if clock.can_cut
                else CANNOT_CUT
            )
        case WireFault("disconnect") if not clock.can_cut:
            raise FaultNotPossible(CANNOT_CUT)
        case WireFault("stall", seconds=None) if not clock.sees_client:
            raise FaultNotPossible(
                "This server cannot see when a client leaves, so the fault 'stall' would never "
                "end: say for how many seconds."
            )


class AnswerInPieces:
    """The body of an answer that is not sent at once, as WSGI iterates it.

    A class, because a generator that was never started never runs its `finally`: the server
    calls `close` in any case, which ends the exchange.
    """

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        exchange.outcome = "client gone"  # until the server has taken the last byte

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError

    def close(self) -> None:
        self._exchange.end()

    def _played(self, wire: Generator[Wire, None, None]) -> Iterator[bytes]:
        """Let happen what is to happen on the wire."""
        with closing(wire):
            for item in wire:
                match item:
                    case bytes():
                        yield self._exchange.sent(item)
                    case Pause(seconds):
                        try:
                            self._clock.wait(seconds)
                        except ClientGone:  # which was kept waiting for too long, as was wished
                            self._exchange.outcome = "scripted"
                            return
                    case Cut("end"):
                        self._exchange.outcome = "scripted"
                        self._exchange.ending("scripted")
                        return
                    case Cut(how):
                        self._end_connection(reset=how == "reset")
                    case Missed():
                        return
            if self._exchange.outcome == "done":
                self._exchange.outcome = "scripted"

    def _end_connection(self, *, reset: bool) -> NoReturn:
        self._exchange.outcome = "scripted"
        self._exchange.ending("scripted")
        self._clock.cut(reset=reset)


class FaultyDocument(AnswerInPieces):
    """A JSON answer that something happens to on its way."""

    def __init__(self, document: bytes, fault: WireFault, exchange: Exchange, clock: Clock) -> None:
        super().__init__(exchange, clock)
        self._document = document
        self._fault = exchange.fault = fault

    def __iter__(self) -> Iterator[bytes]:
        return self._played(self._wire())

    def _wire(self) -> Generator[Wire, None, None]:
        # Some faults let the whole document through: it may be complete before this is over.
        self._exchange.ending("scripted")
        yield from document_mishap(self._document, self._fault)
        self._exchange.outcome = "done"
