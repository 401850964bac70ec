"""The journal, in the database."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from llm_proxy.exchange import Exchange, Outcome
from llm_proxy.journal.entry import MAX_REQUEST_BYTES, Entry
from llm_proxy.journal.redacted import redacted_document
from llm_proxy.sqlite.database import Database, DatabaseUnusable

log = logging.getLogger(__name__)

_COLUMNS = ", ".join(Entry.__struct_fields__)

_RECORD = f"""
INSERT INTO exchanges ({_COLUMNS}) VALUES ({", ".join("?" * len(Entry.__struct_fields__))})
"""  # noqa: S608

# Found from the end, where it has to be: an index would cost every request as much again.
_AMEND = """
UPDATE exchanges SET status = ?, outcome = ?, origin = ?
WHERE number = (SELECT number FROM exchanges WHERE id = ? ORDER BY number DESC LIMIT 1)
"""


class SqliteJournal:
    """Keeps `journal.entry.Journal`: the last `limit` exchanges, without what `redacted` finds."""

    def __init__(self, database: Database, limit: int, redacted: Callable[[str], str]) -> None:
        self._database = database
        self._limit = limit
        self._redacted = redacted

    def record(self, exchange: Exchange, outcome: Outcome, again: bool) -> None:
        try:
            if again:
                self._amend(exchange, outcome)
            else:
                self._insert(self._row(exchange, outcome))
        except (sqlite3.Error, DatabaseUnusable) as error:
            # The client has its answer all the same: a full disk must not take that away.
            log.warning("The journal could not keep %s: %s", exchange.id, error)

    def read(self, namespace: str | None, limit: int) -> list[Entry]:
        only, values = _of(namespace)
        query = f"SELECT {_COLUMNS} FROM exchanges{only} ORDER BY number DESC LIMIT ?"  # noqa: S608
        return list(map(_entry, self._database.read(query, *values, limit)))

    def clear(self, namespace: str | None = None) -> int:
        only, values = _of(namespace)
        with self._database.change() as connection:
            return connection.execute(f"DELETE FROM exchanges{only}", values).rowcount  # noqa: S608

    def _insert(self, row: Sequence[object]) -> None:
        with self._database.change() as connection:
            number = connection.execute(_RECORD, row).lastrowid
            assert number is not None
            connection.execute("DELETE FROM exchanges WHERE number <= ?", (number - self._limit,))

    def _amend(self, exchange: Exchange, outcome: Outcome) -> None:
        with self._database.change() as connection:
            connection.execute(_AMEND, (exchange.status, outcome, exchange.origin, exchange.id))

    def _row(self, exchange: Exchange, outcome: Outcome) -> tuple[object, ...]:
        body = exchange.request_body
        kept = body and len(body) <= MAX_REQUEST_BYTES
        return (
            exchange.id,
            exchange.came_at,
            exchange.namespace,
            exchange.method,
            exchange.path,
            exchange.status,
            None if exchange.model is None else self._redacted(exchange.model),
            exchange.stream,
            redacted_document(body, self._redacted) if kept else None,
            len(body),
            outcome,
            exchange.origin,
        )


def _of(namespace: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if namespace is None else (" WHERE namespace = ?", (namespace,))


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(Entry.__struct_fields__, row, strict=True))
    values["stream"] = bool(values["stream"])
    values["request"] = msgspec.Raw((values["request"] or "null").encode())
    return Entry(**values)
