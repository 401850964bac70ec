"""The journal, in the database."""

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

from llm_proxy.journal import progress
from llm_proxy.journal.account import account
from llm_proxy.journal.entry import MAX_REQUEST_BYTES, Entry, Found, Wanted, entry_of
from llm_proxy.journal.hindsight import Understanding, counted, whole
from llm_proxy.journal.redacted import Redacted
from llm_proxy.records.exchange import Exchange
from llm_proxy.sqlite import conditions, exchanges
from llm_proxy.sqlite.database import Database, DatabaseUnusable
from llm_proxy.work.behind import PATIENCE_SECONDS, Behind

log = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024 * 1024
"""Of all requests and answers that are kept; the oldest make room for the next."""

_STEPS = 20
"""Rows that are too many are deleted when there are so many of them as a part of the limit."""

_TOO_MANY = "DELETE FROM exchanges WHERE number <= (SELECT max(number) FROM exchanges) - ?"
_TOO_MANY_BYTES = """
DELETE FROM exchanges WHERE number <= (
    SELECT max(number) FROM (
        SELECT number, sum(bytes) OVER (ORDER BY number DESC) AS total FROM exchanges
    ) WHERE total > ? AND number < (SELECT max(number) FROM exchanges)
)
"""


class _Slot:
    """One exchange on its way into the file.

    While it goes on there is the `exchange`, and when it is over the `row`. `taken` says that
    whoever writes has looked at it: what changes later is to be written anew. `number` is that
    of its row in the file, if it has one.
    """

    __slots__ = ("exchange", "number", "row", "taken")

    def __init__(self) -> None:
        self.exchange: Exchange | None = None
        self.row: exchanges.Row | None = None
        self.taken = True
        self.number: int | None = None

    def take(self, redacted: Redacted) -> exchanges.Row:
        """The row as it is now."""
        self.taken = True  # before it is looked at
        exchange = self.exchange
        row = self.row  # which is there before the exchange is let go
        if row is None:
            assert exchange is not None
            row = exchanges.row(account(exchange, redacted))
        return row


class SqliteJournal:
    """Keeps `journal.entry.Journal`: the last `limit` exchanges, without what `redacted` finds.

    How a request was understood is found out by `understanding` when somebody reads of it. The
    `database` is to be nobody else's: while it is written to, others would wait for it.
    """

    def __init__(
        self,
        database: Database,
        limit: int,
        redacted: Redacted,
        understanding: Understanding = lambda _, __: None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._database = database
        self._limit = limit
        self._max_bytes = max_bytes
        self._redacted = redacted
        self._understanding = understanding
        self._behind = Behind(self._write, progress.own)
        self._uncounted = 0
        self._cleared = 0
        self._lost = 0  # since the last time that something could be written

    def record(self, exchange: Exchange) -> None:
        trace = exchange.trace
        if trace is None:
            return
        slot: _Slot | None = trace.written
        if slot is None:
            slot = trace.written = _Slot()
            if not exchange.over:
                slot.exchange = exchange
                # Its body is held anyway; what waits may become a row of that length.
                self._put(slot, min(len(exchange.request_body), MAX_REQUEST_BYTES))
                return
        elif not exchange.over:
            return
        # The answer is gone, and what was needed for it is still at hand. To hold on to that for
        # a batch costs more than the account: the next requests would find no warm memory.
        try:
            slot.row = exchanges.row(account(exchange, self._redacted))
        except Exception:
            log.exception("The journal could not keep %s", exchange.id)
            return
        slot.exchange = None
        if slot.taken:  # or was never put
            self._put(slot, slot.row[exchanges.BYTES])

    def _put(self, slot: "_Slot", size: int) -> None:
        slot.taken = False
        if not self._behind.put(slot, size, again=slot.row is None):
            slot.taken = True

    def read(self, wanted: Wanted) -> list[Entry]:
        return [self._entry(row) for row in self._rows(exchanges.COLUMNS, wanted)]

    def found(self, wanted: Wanted) -> list[Found]:
        return [self._found(row) for row in self._rows(exchanges.EVERYTHING, wanted)]

    def find(self, id: str) -> Found | None:  # noqa: A002
        self._settle()
        query = f"SELECT {exchanges.EVERYTHING} FROM exchanges WHERE id = ?"  # noqa: S608
        rows = self._database.read(query, id)
        return self._found(rows[-1]) if rows else None

    def latest(self) -> int:
        rows = self._database.read("SELECT max(number) FROM exchanges")
        return int(rows[0][0] or 0)

    def since(self, number: int, unfinished: Sequence[int]) -> list[tuple[int, Entry]]:
        unknown = ", ".join("?" * len(unfinished))
        query = (
            f"SELECT {exchanges.COLUMNS}, number FROM exchanges "  # noqa: S608
            f"WHERE number > ? OR (number IN ({unknown}) AND over) ORDER BY number"
        )
        rows = self._database.read(query, number, *unfinished)
        return [(row[-1], self._entry(row[:-1])) for row in rows]

    def clear(self, namespace: str | None = None) -> int:
        self._settle()
        only, values = conditions.where(Wanted(namespace=namespace))
        with self._database.change() as connection:
            connection.execute(_TOO_MANY, (self._limit,))
            return connection.execute(f"DELETE FROM exchanges{only}", values).rowcount  # noqa: S608

    def dropped(self) -> int:
        ((dropped,),) = self._database.read("SELECT value FROM facts WHERE name = 'dropped'")
        return int(dropped) + self._lost

    def _settle(self) -> None:
        """Wait until all that any worker was handed by now is written."""
        self._behind.settle()
        if not progress.settle(PATIENCE_SECONDS):
            log.warning("A worker is behind with the journal: not all of it can be read yet")

    def _entry(self, row: Sequence[Any]) -> Entry:
        return counted(entry_of(row), self._understanding)

    def _found(self, row: Sequence[Any]) -> Found:
        number, *kept = row
        return Found(number, *whole(exchanges.account(kept), self._understanding))

    def _rows(self, columns: str, wanted: Wanted) -> list[Any]:
        self._settle()
        condition, values = conditions.where(wanted, self._limit)
        query = f"SELECT {columns} FROM exchanges{condition} ORDER BY number DESC LIMIT ?"  # noqa: S608
        return self._database.read(query, *values, wanted.limit)

    def _write(self, slots: Sequence[_Slot], dropped: int) -> None:
        """Write down what is known of exchanges by now, in one transaction."""
        try:
            self._write_together(slots, dropped)
        except (sqlite3.Error, DatabaseUnusable) as error:
            # Clients have their answers all the same: a full disk must not take that away.
            log.warning("The journal could not keep %d exchanges: %s", len(slots), error)
            self._lost += dropped + sum(slot.row is not None for slot in slots)
        except Exception:
            if len(slots) < 2:
                log.exception("The journal could not keep an exchange")
                self._lost += dropped + len(slots)
                return
            # One that cannot be written, such as a number that is too long, loses no other.
            self._write((), dropped)
            for slot in slots:
                self._write((slot,), 0)

    def _write_together(self, slots: Sequence[_Slot], dropped: int) -> None:
        rows = [slot.take(self._redacted) for slot in slots]
        dropped += self._lost
        with self._database.change() as connection:
            numbers = self._put_down(connection, slots, rows)
            if dropped:
                connection.execute(
                    "UPDATE facts SET value = value + ? WHERE name = 'dropped'", (dropped,)
                )
        self._lost = 0
        for slot, number in zip(filter(_is_new, slots), numbers, strict=True):
            slot.number = number

    def _put_down(
        self, connection: sqlite3.Connection, slots: Sequence[_Slot], rows: Sequence[exchanges.Row]
    ) -> range:
        """Put the rows of slots down; the numbers that those get which have none."""
        new: list[exchanges.Row] = []
        for slot, row in zip(slots, rows, strict=True):
            self._uncounted += row[exchanges.BYTES]
            if slot.number is None:
                new.append(row)
            else:
                exchanges.replace(connection, slot.number, row)
        numbers = exchanges.insert(connection, new)
        self._make_room(connection, numbers.stop - 1)
        return numbers

    def _make_room(self, connection: sqlite3.Connection, last: int) -> None:
        """Forget what is too old, in steps: readers leave out what is too old by then."""
        if last - self._cleared >= max(self._limit // _STEPS, 1):
            self._cleared = last
            connection.execute(_TOO_MANY, (self._limit,))
        if self._uncounted >= self._max_bytes // 64:
            self._uncounted = 0
            connection.execute(_TOO_MANY_BYTES, (self._max_bytes,))


def _is_new(slot: _Slot) -> bool:
    return slot.number is None
