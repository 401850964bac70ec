"""The tables of the database, and what a new start of the server leaves of them.

The journal outlives the server; what the mock was told, has counted and has stored does not.
"""

import sqlite3

from llm_proxy.sqlite.database import DatabaseUnusable

APPLICATION = 0x4C4C4D50
"""What SQLite's header calls `application_id`: "LLMP"."""

VERSION = 7
"""Of the tables. A file that has another one is begun anew."""

_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE scripted (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    document TEXT NOT NULL,
    times INTEGER
);
CREATE INDEX scripted_by_kind ON scripted (kind);
CREATE TABLE counters (
    namespace TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE TABLE limits (
    namespace TEXT NOT NULL, name TEXT NOT NULL, units INTEGER NOT NULL, at_us INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE TABLE exchanges (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    time REAL NOT NULL,
    namespace TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    model TEXT,
    stream INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    over INTEGER NOT NULL,
    origin TEXT NOT NULL,
    first_ms REAL,
    duration_ms REAL NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    event_count INTEGER NOT NULL,
    warning_count INTEGER NOT NULL,
    client TEXT NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    request TEXT NOT NULL,
    sender TEXT NOT NULL,
    details TEXT NOT NULL,
    answered TEXT NOT NULL,
    response TEXT NOT NULL,
    timeline BLOB NOT NULL
);
CREATE TABLE stored (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    half TEXT NOT NULL,
    id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    namespace TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    content BLOB NOT NULL,
    UNIQUE (half, namespace, id)
);
INSERT INTO facts VALUES ('boot', ''), ('dropped', 0);
"""

STATE_TABLES = ("scripted", "counters", "limits", "stored")


def prepare(connection: sqlite3.Connection, boot: str) -> None:
    """Make the tables if need be, and empty those of the state for a `boot` that is new.

    All workers of one start of a server have the same boot id, so only the first one of them
    finds another in the file.

    Raises:
        DatabaseUnusable: the file belongs to another program.
    """
    refuse_foreign(connection)
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    tables = [name for (name,) in connection.execute(_NAMES)]
    if not tables or version != VERSION:
        for name in tables:
            connection.execute(f'DROP TABLE "{name}"')
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    ((known,),) = connection.execute("SELECT value FROM facts WHERE name = 'boot'")
    if known != boot:
        for name in STATE_TABLES:
            connection.execute(f"DELETE FROM {name}")  # noqa: S608
        connection.execute("UPDATE facts SET value = ? WHERE name = 'boot'", (boot,))


def refuse_foreign(connection: sqlite3.Connection) -> None:
    """See to it that a file is empty or ours.

    Raises:
        DatabaseUnusable: it belongs to another program.
    """
    ((application,),) = connection.execute("PRAGMA application_id").fetchall()
    if application != APPLICATION and (application or connection.execute(_NAMES).fetchall()):
        raise DatabaseUnusable("it is the database of another program")


_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
