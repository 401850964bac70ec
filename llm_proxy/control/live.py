"""The live list: exchanges as server-sent events, as they are written down.

Knows no Flask; time and the connection are a `Clock`. It looks into the journal now and then,
so that no request costs more because somebody watches.
"""

import threading
from collections.abc import Callable, Iterator, Mapping

import msgspec

from llm_proxy.errors import ClientGone, TooManyListeners
from llm_proxy.journal.entry import Entry, Journal
from llm_proxy.openai_api import sse
from llm_proxy.records.exchange import Exchange
from llm_proxy.shell.clock import Clock
from llm_proxy.shell.lifetime import is_stopping
from llm_proxy.shell.pieces import AnswerInPieces

MAX_LISTENERS = 16
"""At once, of each worker: each of them holds a thread, and streams need those, too."""

LOOK_SECONDS = 0.25
SILENCE_SECONDS = 15.0

MAX_UNFINISHED = 500
"""Exchanges whose end is still awaited; beyond it the oldest are not told of again."""


MAX_DIGITS = 19
"""Numbers of exchanges have fewer: SQLite counts in 64 bits."""


class Listeners:
    """Those who watch."""

    def __init__(self, most: int = MAX_LISTENERS) -> None:
        self._most = most
        self._count = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Count one more.

        Raises:
            TooManyListeners: there is no room for one.
        """
        with self._lock:
            if self._count >= self._most:
                raise TooManyListeners(
                    f"There are {self._most} listeners already, which is all that there may be."
                )
            self._count += 1

    def leave(self) -> None:
        """Count one less."""
        with self._lock:
            self._count -= 1


class Live(AnswerInPieces):
    """The answer that tells of exchanges until its client leaves, or the server stops.

    Each is an event `exchange`, with the entry without its request as data and its number as
    id. One whose end came later is told of a second time.
    """

    def __init__(
        self,
        journal: Journal,
        after: int,
        fits: Callable[[Entry], bool],
        exchange: Exchange,
        clock: Clock,
        leave: Callable[[], None],
    ) -> None:
        super().__init__(exchange, clock)
        self._journal = journal
        self._after = after
        self._fits = fits
        self._leave = leave

    def __iter__(self) -> Iterator[bytes]:
        return map(self._exchange.sent, self._told())

    def close(self) -> None:
        self._leave()
        self._leave = _nothing
        super().close()

    def _told(self) -> Iterator[bytes]:
        unfinished: list[int] = []
        spoke = self._clock.now()
        yield b"retry: 1000\n\n"
        while not is_stopping():
            for number, entry in self._journal.since(self._after, unfinished):
                if number in unfinished:
                    unfinished.remove(number)
                elif not entry.over:
                    unfinished = [*unfinished[1 - MAX_UNFINISHED :], number]
                self._after = max(self._after, number)
                if self._fits(entry):
                    yield _event(number, entry)
                    spoke = self._clock.now()
            if self._clock.now() - spoke >= SILENCE_SECONDS:
                yield sse.KEEP_ALIVE
                spoke = self._clock.now()
            try:
                self._clock.wait(LOOK_SECONDS)
            except ClientGone:  # as all of them do in the end
                break
        self._exchange.outcome = "done"


def seen_last(headers: Mapping[str, str], latest: int) -> int:
    """The number behind which a listener goes on; `latest` is that of the newest exchange.

    One that has seen none, or numbers of another journal, begins with what comes next.
    """
    told = headers.get("last-event-id", "")
    is_number = told.isascii() and told.isdigit() and len(told) < MAX_DIGITS
    return min(int(told), latest) if is_number else latest


def summary(entry: Entry) -> dict[str, object]:
    """An entry as it is listed, without its request."""
    names = zip(entry.__struct_fields__, entry.__struct_encode_fields__, strict=True)
    return {written: getattr(entry, name) for name, written in names if name != "request"}


def _event(number: int, entry: Entry) -> bytes:
    data = msgspec.json.encode(summary(entry))
    return b"id: %d\nevent: exchange\ndata: %b\n\n" % (number, data)


def _nothing() -> None:
    pass
