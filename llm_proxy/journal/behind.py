"""Writing behind: exchanges wait in memory, and a thread of their own has them written.

Whoever answers a request hands its exchange over and goes on, whatever the disk does. Knows
no database.
"""

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable

from llm_proxy.exchange import Exchange
from llm_proxy.journal.progress import shared

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.02
"""For how long those that come are gathered, so that one transaction does for all of them."""

TURN_SECONDS = 0.001
"""The same where many wait already: so that others have their turn."""

MAX_AT_ONCE = 32
"""In one transaction: where the thread is a greenlet, nobody else has a turn meanwhile."""

IDLE_SECONDS = 2.0
"""After which a thread that has nothing to write ends; the next exchange begins another one."""

MAX_WAITING = 5_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Of exchanges, and of their requests: beyond either they are dropped, and counted."""

PATIENCE_SECONDS = 5.0
"""For how long a reader waits for what others have still to write; then it reads what there is."""


class Behind:
    """The exchanges that wait to be written.

    `write` is handed some, and how many were dropped meanwhile; what it raises is logged.
    """

    _changed: threading.Condition
    _thread: threading.Thread | None
    _waiting: list[Exchange]
    _bytes: int
    _taken: int
    _written: int
    _dropped: int
    _hurried: bool

    def __init__(self, write: Callable[[list[Exchange], int], None]) -> None:
        self._write = write
        self._reset()
        _ALL.add(self)

    def put(self, exchange: Exchange) -> None:
        """Have an exchange written, as it is when its turn comes."""
        trace = exchange.trace
        if trace is None or trace.waiting:  # then it is still to be looked at
            return
        size = len(exchange.request_body)
        with self._changed:
            if len(self._waiting) >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
                self._dropped += 1
                return
            trace.waiting = True
            self._waiting.append(exchange)
            self._bytes += size
            self._taken += 1
            if (others := shared()) is not None:
                others[0].take(others[1], self._taken)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changed.notify_all()

    def settle(self) -> None:
        """Wait until all that any worker was handed by now is written."""
        with self._changed:
            taken = self._taken
            if self._written < taken:
                self._hurried = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._written >= taken, PATIENCE_SECONDS)
        if (others := shared()) is not None and not others[0].settle(PATIENCE_SECONDS):
            log.warning("A worker is behind with the journal: not all of it can be read yet")

    def forget(self) -> None:
        """Leave what waits to the process that this one was forked from."""
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._thread = None
        self._waiting = []
        self._bytes = self._taken = self._written = self._dropped = 0
        self._hurried = False

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._waiting, IDLE_SECONDS):
                    self._thread = None
                    return
                linger = TURN_SECONDS if len(self._waiting) > MAX_AT_ONCE else LINGER_SECONDS
                self._changed.wait_for(lambda: self._hurried, linger)
                batch, self._waiting = self._waiting[:MAX_AT_ONCE], self._waiting[MAX_AT_ONCE:]
                dropped, self._dropped = self._dropped, 0
                self._bytes -= sum(len(exchange.request_body) for exchange in batch)
                self._hurried = self._hurried and bool(self._waiting)
            try:
                self._write(batch, dropped)
            except Exception:
                log.exception("The journal could not keep %d exchanges", len(batch))
            with self._changed:
                self._written += len(batch)
                if (others := shared()) is not None:
                    others[0].write(others[1], self._written)
                self._changed.notify_all()


_ALL: "weakref.WeakSet[Behind]" = weakref.WeakSet()


def _forget_all() -> None:
    for behind in list(_ALL):
        behind.forget()


def _settle_all() -> None:
    for behind in list(_ALL):
        behind.settle()


weakref.finalize(_ALL, int)  # its like closes connections; what is registered later runs first
atexit.register(_settle_all)
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_all)
