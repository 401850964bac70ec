"""The store of one half, in the database."""

import sqlite3
from typing import Any

import msgspec
from msgspec.structs import replace

from llm_proxy.core.chat_request import Endpoint
from llm_proxy.sqlite.database import Database
from llm_proxy.store import Stored

MAX_STORED = 1000
MAX_STORED_BYTES = 64 * 1024 * 1024
"""Of one half. A reply may be long, as the images of its request belong to it."""

_PUT = """
INSERT INTO stored (half, id, endpoint, namespace, bytes, content) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (half, namespace, id) DO UPDATE SET bytes = excluded.bytes, content = excluded.content
"""
_REPLACE = """
UPDATE stored SET bytes = ?, content = ? WHERE half = ? AND namespace = ? AND id = ?
"""
_FORGET = """
DELETE FROM stored WHERE half = ? AND number <= (
    SELECT number FROM stored WHERE half = ? ORDER BY number DESC LIMIT 1 OFFSET ?
)
"""
_NEWEST_FIRST = "SELECT number, bytes FROM stored WHERE half = ? ORDER BY number DESC"
_OWN = "half = ? AND namespace = ? AND endpoint = ?"


class SqliteStore:
    """Keeps `store.Store` for the half of this name: at most so many replies, and bytes.

    The headers of a request are left out, as they may hold a key.
    """

    def __init__(
        self,
        database: Database,
        half: str,
        namespace: str = "",
        *,
        limit: int = MAX_STORED,
        max_bytes: int = MAX_STORED_BYTES,
    ) -> None:
        self._database = database
        self._half = half
        self._namespace = namespace
        self._limit = limit
        self._max_bytes = max_bytes

    def of(self, namespace: str) -> "SqliteStore":
        return SqliteStore(
            self._database, self._half, namespace, limit=self._limit, max_bytes=self._max_bytes
        )

    def put(self, stored: Stored) -> None:
        content = _written(stored)
        row = (self._half, stored.id, stored.endpoint, self._namespace, len(content), content)
        with self._database.change() as connection:
            connection.execute(_PUT, row)
            connection.execute(_FORGET, (self._half, self._half, self._limit))
            if len(content) * self._limit > self._max_bytes:  # else their number has bounded them
                self._make_room(connection)

    def replace(self, stored: Stored) -> None:
        content = _written(stored)
        with self._database.change() as connection:
            own = (self._half, self._namespace, stored.id)
            connection.execute(_REPLACE, (len(content), content, *own))

    def get(self, endpoint: Endpoint, name: str) -> Stored | None:
        query = f"SELECT content FROM stored WHERE {_OWN} AND id = ?"  # noqa: S608
        rows = self._database.read(query, self._half, self._namespace, endpoint, name)
        return _read(rows[0]) if rows else None

    def delete(self, endpoint: Endpoint, name: str) -> bool:
        query = f"DELETE FROM stored WHERE {_OWN} AND id = ?"  # noqa: S608
        values = (self._half, self._namespace, endpoint, name)
        with self._database.change() as connection:
            return connection.execute(query, values).rowcount > 0

    def all(self, endpoint: Endpoint) -> list[Stored]:
        query = f"SELECT content FROM stored WHERE {_OWN} ORDER BY number"  # noqa: S608
        return list(map(_read, self._database.read(query, self._half, self._namespace, endpoint)))

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Forget the oldest until the others are no longer than they may be; the newest stays."""
        (_, total), *older = connection.execute(_NEWEST_FIRST, (self._half,)).fetchall()
        for number, size in older:
            total += size
            if total > self._max_bytes:
                query = "DELETE FROM stored WHERE half = ? AND number <= ?"
                connection.execute(query, (self._half, number))
                return


def _written(stored: Stored) -> bytes:
    return msgspec.json.encode(replace(stored, request=replace(stored.request, headers={})))


def _read(row: tuple[Any, ...]) -> Stored:
    return msgspec.json.decode(row[0], type=Stored)
