"""A database that processes share: one SQLite file, and one connection to it in each of them.

Owns opening, locking, transactions, and what a fork means. Knows no table.
"""

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from llm_proxy.errors import StorageUnusable

MEMORY = ":memory:"
"""The path of a database that is gone with its connection, and nobody else's."""

PATIENCE_SECONDS = 10.0
"""For how long one process waits until another one has written."""

ATTEMPTS = 20
"""How often a file is asked to be written ahead while others make it."""


NOT_OUR_FAULT = frozenset(
    (
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    )
)
"""What SQLite tells when something is wrong with the file ("Result and Error Codes")."""


class DatabaseUnusable(StorageUnusable):
    """The file cannot be used; the message says which, and why."""


class Database:
    """The SQLite file whose path `locate` tells when it is first needed.

    `prepare` is handed each new connection, in a transaction, to make or check its tables;
    `refuse` only sees whether they may be made.
    One connection is shared by the threads of a process. It must not cross a fork (SQLite,
    "How to corrupt", 2.6), so each process opens its own.
    """

    def __init__(
        self,
        locate: Callable[[], str],
        prepare: Callable[[sqlite3.Connection], None],
        refuse: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        self._locate = locate
        self._prepare = prepare
        self._refuse = refuse
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closing: weakref.finalize[Any, Any] | None = None
        _DATABASES.add(self)

    def check(self) -> None:
        """See whether the file can be used. What is in it stays: it may be in use elsewhere.

        Raises:
            DatabaseUnusable: it cannot.
        """
        with closing(self._connected(self._refuse)):
            pass

    @property
    def path(self) -> str:
        """Where the file is, or `MEMORY`."""
        return self._locate()

    def read(self, query: str, *values: object) -> list[Any]:
        """The rows that a query has.

        Raises:
            DatabaseUnusable: the file cannot be read.
        """
        with self._lock:
            try:
                return self._opened().execute(query, values).fetchall()
            except sqlite3.Error as error:
                self._refuse_file(error)
                raise

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes beside; undone if anything is raised in it.

        Raises:
            DatabaseUnusable: the file cannot be written.
        """
        with self._lock:
            try:
                with _transaction(self._opened()) as connection:
                    yield connection
            except sqlite3.Error as error:
                self._refuse_file(error)
                raise

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._closing is not None:
                self._closing()
            self._connection = self._closing = None

    def _refuse_file(self, error: sqlite3.Error) -> None:
        """Raise what says that the file is to blame, if it is."""
        code = getattr(error, "sqlite_errorcode", 0)  # that of SQLite's own errors
        if code & 0xFF in NOT_OUR_FAULT:  # without what is added to tell more
            raise DatabaseUnusable(f"{self._locate()!r} cannot be used: {error}") from None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connected(self._prepare)
            self._closing = weakref.finalize(self, self._connection.close)
        return self._connection

    def _connected(self, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
        path = self._locate()
        try:
            connection = _file(path)
            try:
                # Before anything else: it may turn out to be somebody else's.
                with _transaction(connection):
                    prepare(connection)
                _write_ahead(connection)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error, DatabaseUnusable) as error:
            raise DatabaseUnusable(f"{path!r} cannot be used: {error}") from None
        return connection

    def forget(self) -> None:
        """Leave the connection to the process that this one was forked from."""
        self._lock = threading.Lock()  # a thread that is not here may have held the old one
        if self._closing is not None:
            self._closing.detach()
            _INHERITED.append(self._connection)
        self._connection = self._closing = None


_DATABASES: "weakref.WeakSet[Database]" = weakref.WeakSet()
_INHERITED: list[object] = []
"""Connections of a parent process, kept as they are: even closing one would touch its file."""


def _forget_all() -> None:
    for database in list(_DATABASES):
        database.forget()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_all)


def _file(path: str) -> sqlite3.Connection:
    if path != MEMORY:
        # Made by us, as SQLite would let others read it; its -wal and -shm get the same mode.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
    )
    # Only a file that is new takes it. Rows of the journal are long for the usual 4096.
    connection.execute("PRAGMA page_size = 8192")
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Have changes written ahead: readers wait for nobody, and only checkpoints for the disk.

    Of several processes that do so at once with a new file, SQLite lets some fail at once
    instead of waiting. They wait here, by a transaction that they do not need.
    """
    mode = None
    for _ in range(ATTEMPTS):
        with suppress(sqlite3.OperationalError):
            ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
            break
        with _transaction(connection):
            pass
    if mode not in ("wal", "memory"):
        raise DatabaseUnusable("its file system cannot hold a write-ahead log")
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
