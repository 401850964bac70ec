"""The journal, in the database."""

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from llm_proxy.exchange import Exchange
from llm_proxy.journal import timeline
from llm_proxy.journal.account import NOTHING, Account, account
from llm_proxy.journal.behind import Behind
from llm_proxy.journal.entry import Entry, Found, Wanted
from llm_proxy.sqlite.database import Database, DatabaseUnusable
from llm_proxy.trace import Trace

log = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024 * 1024
"""Of all requests and answers that are kept; the oldest make room for the next."""


_COLUMNS = ", ".join(Entry.__struct_fields__)
_WRITTEN = (*Entry.__struct_fields__, "bytes", "details", "timeline")
_REQUEST, _BYTES = _WRITTEN.index("request"), _WRITTEN.index("bytes")
_VALUES = f"({', '.join(_WRITTEN)}) VALUES ({', '.join('?' * len(_WRITTEN))})"

_INSERT = f"INSERT INTO exchanges {_VALUES}"
_CHANGES = ", ".join(f"{name} = ?" for name in _WRITTEN)
_REPLACE = f"UPDATE exchanges SET {_CHANGES} WHERE number = ?"  # noqa: S608

_TOO_MANY_BYTES = """
DELETE FROM exchanges WHERE number <= (
    SELECT max(number) FROM (
        SELECT number, sum(bytes) OVER (ORDER BY number DESC) AS total FROM exchanges
    ) WHERE total > ?
)
"""


class SqliteJournal:
    """Keeps `journal.entry.Journal`: the last `limit` exchanges, without what `redacted` finds.

    The `database` is to be nobody else's: while it is written to, others would wait for it.
    """

    def __init__(
        self,
        database: Database,
        limit: int,
        redacted: Callable[[str], str],
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._database = database
        self._limit = limit
        self._max_bytes = max_bytes
        self._redacted = redacted
        self._behind = Behind(self._write)
        self._uncounted = 0

    def record(self, exchange: Exchange) -> None:
        self._behind.put(exchange)

    def read(self, wanted: Wanted) -> list[Entry]:
        return [_entry(row) for row in self._rows(_COLUMNS, wanted)]

    def found(self, wanted: Wanted) -> list[Found]:
        return [_found(row) for row in self._rows(f"{_COLUMNS}, number, details, timeline", wanted)]

    def find(self, id: str) -> Found | None:  # noqa: A002
        self._behind.settle()
        query = f"SELECT {_COLUMNS}, number, details, timeline FROM exchanges WHERE id = ?"  # noqa: S608
        rows = self._database.read(query, id)
        return _found(rows[-1]) if rows else None

    def latest(self) -> int:
        rows = self._database.read("SELECT max(number) FROM exchanges")
        return int(rows[0][0] or 0)

    def since(self, number: int, unfinished: Sequence[int]) -> list[tuple[int, Entry]]:
        unknown = ", ".join("?" * len(unfinished))
        query = (
            f"SELECT {_COLUMNS}, number FROM exchanges "  # noqa: S608
            f"WHERE number > ? OR (number IN ({unknown}) AND over) ORDER BY number"
        )
        rows = self._database.read(query, number, *unfinished)
        return [(row[-1], _entry(row[:-1])) for row in rows]

    def clear(self, namespace: str | None = None) -> int:
        self._behind.settle()
        only, values = _where(Wanted(namespace=namespace))
        with self._database.change() as connection:
            return connection.execute(f"DELETE FROM exchanges{only}", values).rowcount  # noqa: S608

    def dropped(self) -> int:
        ((dropped,),) = self._database.read("SELECT value FROM facts WHERE name = 'dropped'")
        return int(dropped)

    def _rows(self, columns: str, wanted: Wanted) -> list[Any]:
        self._behind.settle()
        where, values = _where(wanted)
        query = f"SELECT {columns} FROM exchanges{where} ORDER BY number DESC LIMIT ?"  # noqa: S608
        return self._database.read(query, *values, wanted.limit)

    def _write(self, exchanges: Sequence[Exchange], dropped: int) -> None:
        """Write down how each of the exchanges is now, in one transaction."""
        rows = []
        for exchange in exchanges:
            assert exchange.trace is not None
            exchange.trace.waiting = False  # before it is looked at: what changes later is new
            rows.append((exchange.trace, _row(account(exchange, self._redacted))))
        try:
            self._put(rows, dropped)
        except (sqlite3.Error, DatabaseUnusable) as error:
            # Clients have their answers all the same: a full disk must not take that away.
            log.warning("The journal could not keep %d exchanges: %s", len(rows), error)

    def _put(self, rows: Sequence[tuple[Trace, tuple[Any, ...]]], dropped: int) -> None:
        with self._database.change() as connection:
            for trace, row in rows:
                if trace.number is None:
                    trace.number = connection.execute(_INSERT, row).lastrowid
                else:
                    connection.execute(_REPLACE, (*row, trace.number))
                self._uncounted += row[_BYTES]
            self._make_room(connection, max(trace.number or 0 for trace, _ in rows))
            if dropped:
                connection.execute(
                    "UPDATE facts SET value = value + ? WHERE name = 'dropped'", (dropped,)
                )

    def _make_room(self, connection: sqlite3.Connection, last: int) -> None:
        connection.execute("DELETE FROM exchanges WHERE number <= ?", (last - self._limit,))
        if self._uncounted >= self._max_bytes // 64:
            self._uncounted = 0
            connection.execute(_TOO_MANY_BYTES, (self._max_bytes,))


def _row(account: Account) -> tuple[Any, ...]:
    entry, details, line = account
    values = [getattr(entry, name) for name in Entry.__struct_fields__]
    values[_REQUEST] = request = bytes(entry.request).decode()
    return (*values, len(request) + len(details) + len(line), details, line)


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    """The condition that rows have to fulfil, and the values in it."""
    conditions: list[str] = []
    values: list[Any] = []

    def ask(condition: str, *given: Any) -> None:
        conditions.append(f"({condition})")
        values.extend(given)

    for name in ("namespace", "model", "outcome"):
        if (value := getattr(wanted, name)) is not None:
            ask(f"{name} = ?", value)
    if wanted.path is not None:
        ask("instr(path, ?)", wanted.path)
    if wanted.status is not None:
        low = int(wanted.status.replace("xx", "00"))
        ask("status BETWEEN ? AND ?", low, low + 99 if wanted.status.endswith("xx") else low)
    if wanted.text is not None:
        # As it may stand in JSON: as it is, or with all but ASCII escaped.
        forms = {json.dumps(wanted.text, ensure_ascii=only)[1:-1] for only in (True, False)}
        patterns = [f"%{_escaped(form)}%" for form in sorted(forms)]
        told = [f"{name} LIKE ? ESCAPE '~'" for name in ("request", "details") for _ in patterns]
        ask(" OR ".join(told), *patterns, *patterns)
    if wanted.before is not None:
        ask("number < (SELECT max(number) FROM exchanges WHERE id = ?)", wanted.before)
    if wanted.after is not None:
        ask("number > ?", wanted.after)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else "", values)


def _escaped(text: str) -> str:
    for special in "~%_":
        text = text.replace(special, f"~{special}")
    return text


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(Entry.__struct_fields__, row, strict=True))
    values["stream"], values["over"] = bool(values["stream"]), bool(values["over"])
    values["request"] = msgspec.Raw(values["request"].encode())
    return Entry(**values)


def _found(row: Sequence[Any]) -> Found:
    *entry, number, details, line = row
    known = {**NOTHING, **msgspec.json.decode(details), "timeline": timeline.read(line)}
    return Found(number, _entry(entry), known)
