"""The table of exchanges: its columns, and how a row gets in and out. Knows no limits."""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, get_type_hints

from msgspec import Raw

from llm_proxy.journal.entry import Account, Entry

Row = tuple[Any, ...]

_LISTED = Entry.__struct_fields__
COLUMNS = ", ".join(_LISTED)
_BESIDE = ("sender", "details", "answered", "response", "timeline")
EVERYTHING = f"number, {COLUMNS}, {', '.join(_BESIDE)}"
_WRITTEN = (*_LISTED, *_BESIDE, "bytes")
BYTES = len(_WRITTEN) - 1
_MODEL = _LISTED.index("model")
_TEXTS = [name for name, kind in get_type_hints(Entry).items() if kind in (str, Raw)]
_texts = itemgetter(*map(_LISTED.index, _TEXTS))

_CHANGES = ", ".join(f"{name} = ?" for name in _WRITTEN)
_REPLACE = f"UPDATE exchanges SET {_CHANGES} WHERE number = ?"  # noqa: S608

# With each statement another thread may take its turn, which costs more than what it does.
# Older builds of SQLite take 999 values in one.
_AT_ONCE = (32, 8, 1)
_VALUES = f"({', '.join('?' * len(_WRITTEN))})"
_INSERT = f"INSERT INTO exchanges ({', '.join(_WRITTEN)}) VALUES "  # noqa: S608
_INSERTS = {count: _INSERT + ", ".join([_VALUES] * count) for count in _AT_ONCE}


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> range:
    """Put new rows behind all others; the numbers that they get."""
    at = last = 0
    for count in _AT_ONCE:
        while len(rows) - at >= count:
            values = list(chain.from_iterable(rows[at : at + count]))
            last = connection.execute(_INSERTS[count], values).lastrowid or 0
            at += count
    # In one transaction rows get numbers one after the other.
    return range(last - len(rows) + 1, last + 1)


def replace(connection: sqlite3.Connection, number: int, row: Row) -> None:
    """Put a row in the place of one that is there."""
    connection.execute(_REPLACE, (*row, number))


def row(account: Account) -> Row:
    """What stands in the file of an exchange."""
    listed, *beside = account
    size = sum(map(len, _texts(listed))) + len(listed[_MODEL] or "") + sum(map(len, beside))
    return (*listed, *beside, size)


def account(row: Sequence[Any]) -> Account:
    """The account that a row was made of."""
    return Account(row[: len(_LISTED)], *row[len(_LISTED) :])
