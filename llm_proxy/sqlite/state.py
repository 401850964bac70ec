"""The state of the mock, in the database."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llm_proxy.sqlite.database import Database
from llm_proxy.sqlite.schema import STATE_TABLES
from llm_proxy.sqlite.version import Version
from llm_proxy.state import Balance, Charge, Kind, Scripted

_COLUMNS = "number, kind, namespace, document, times"

UNITS = 60_000_000
"""Of a limit, for each request or token: what fills up in a microsecond is then a whole number."""

CLOCK_SET_BACK_US = UNITS
"""A clock that is so much behind was set back, and is not merely that of another thread."""


class SqliteState:
    """Keeps `state.State`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: Version | None = None

    def version(self) -> int:
        return (self._version or self._found_version())()

    def scripted(self, kind: Kind) -> list[Scripted]:
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM scripted WHERE kind = ? ORDER BY number",  # noqa: S608
            kind,
        )
        return list(map(_scripted, rows))

    def add(
        self, kind: Kind, namespace: str, document: Mapping[str, Any], times: int | None = None
    ) -> int:
        written = msgspec.json.encode(document).decode()
        with self._database.change() as connection:
            number = connection.execute(
                "INSERT INTO scripted (kind, namespace, document, times) VALUES (?, ?, ?, ?)",
                (kind, namespace, written, times),
            ).lastrowid
        self._changed()
        assert number is not None
        return number

    def remove(self, kind: Kind, number: int) -> bool:
        with self._database.change() as connection:
            found = _removed(connection, kind, number)
        if found:
            self._changed()
        return found

    def take(self, kind: Kind, namespace: str) -> Scripted | None:
        first = (
            f"SELECT {_COLUMNS} FROM scripted WHERE kind = ? AND namespace IN ('', ?) "  # noqa: S608
            "ORDER BY number LIMIT 1"
        )
        # Most often there is none, and no reason to keep others from writing.
        if not self._database.read(first, kind, namespace):
            return None
        with self._database.change() as connection:
            row = connection.execute(first, (kind, namespace)).fetchone()
            if row is None:
                return None
            taken = _scripted(row)
            if taken.times == 1:
                _removed(connection, kind, taken.number)
            elif taken.times is not None:
                connection.execute(
                    "UPDATE scripted SET times = times - 1 WHERE number = ?", (taken.number,)
                )
        if taken.times == 1:
            self._changed()
        return taken

    def count(self, namespace: str, counter: str) -> int:
        rows = self._database.read(
            "SELECT value FROM counters WHERE namespace = ? AND name = ?", namespace, counter
        )
        return int(rows[0][0]) if rows else 0

    def advance(self, namespace: str, counter: str, expected: int | None = None) -> bool:
        with self._database.change() as connection:
            row = connection.execute(
                "SELECT value FROM counters WHERE namespace = ? AND name = ?", (namespace, counter)
            ).fetchone()
            value = 0 if row is None else row[0]
            if expected not in (None, value):
                return False
            connection.execute(
                "REPLACE INTO counters VALUES (?, ?, ?)", (namespace, counter, value + 1)
            )
        return True

    def spend(self, namespace: str, charges: Sequence[Charge], now: float) -> list[Balance]:
        now_us = int(now * 1_000_000)
        with self._database.change() as connection:
            filled = [_filled(connection, namespace, charge, now_us) for charge in charges]
            lacking = [
                max(charge.amount * UNITS - units, 0)
                for charge, (units, _) in zip(charges, filled, strict=True)
            ]
            balances = []
            for charge, (units, at_us), lacks in zip(charges, filled, lacking, strict=True):
                left = units if any(lacking) else units - charge.amount * UNITS
                connection.execute(
                    "REPLACE INTO limits VALUES (?, ?, ?, ?)",
                    (namespace, charge.limit, left, at_us),
                )
                wait_ms = -(-lacks // (charge.per_minute * 1000))
                balances.append(Balance(left / UNITS, wait_ms))
        return balances

    def reset(self, namespace: str | None = None) -> None:
        only, values = ("", ()) if namespace is None else (" WHERE namespace = ?", (namespace,))
        with self._database.change() as connection:
            for table in STATE_TABLES:
                connection.execute(f"DELETE FROM {table}{only}", values)  # noqa: S608
        self._changed()

    def _changed(self) -> None:
        (self._version or self._found_version()).change()

    def _found_version(self) -> Version:
        # Only now: where the file is may be told after this was made.
        self._version = version = Version(self._database.path)
        return version


def _scripted(row: Sequence[Any]) -> Scripted:
    number, kind, namespace, document, times = row
    return Scripted(number, kind, namespace, msgspec.json.decode(document), times)


def _removed(connection: sqlite3.Connection, kind: Kind, number: int) -> bool:
    where = "DELETE FROM scripted WHERE kind = ? AND number = ?"
    return connection.execute(where, (kind, number)).rowcount > 0


def _filled(
    connection: sqlite3.Connection, namespace: str, charge: Charge, now_us: int
) -> tuple[int, int]:
    """The units that there are of a limit by now, and the time at which they were counted."""
    most = charge.per_minute * UNITS
    row = connection.execute(
        "SELECT units, at_us FROM limits WHERE namespace = ? AND name = ?",
        (namespace, charge.limit),
    ).fetchone()
    if row is None:
        return most, now_us
    units, at_us = row
    if at_us - CLOCK_SET_BACK_US < now_us < at_us:
        now_us = at_us
    return min(units + max(now_us - at_us, 0) * charge.per_minute, most), now_us
