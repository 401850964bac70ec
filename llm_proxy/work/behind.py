"""Working behind: what need not be done at once waits in memory, and is done by a thread.

Whoever answers a request hands something over and goes on, however long the work takes. Knows
nothing of what it is.
"""

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.02
"""For how long what comes is gathered, so that it is done together."""

BUSY = 20
LINGERS_WHEN_BUSY = 5
"""After so many came, for so much longer: each turn of the thread costs the others time."""

IDLE_SECONDS = 2.0
"""After which a thread that has nothing to do ends; what comes next begins another one."""

MAX_WAITING = 5_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Of what waits: beyond either it is turned away, and counted."""

PATIENCE_SECONDS = 5.0
"""For how long one waits for what is still to be done; then for no more of it."""

T = TypeVar("T")


class Told(Protocol):
    """Who is told how far a process has come, so that others can wait for it."""

    def take(self, total: int) -> None:
        """So much was handed over since the process began."""

    def write(self, total: int) -> None:
        """So much of it is done."""

    def is_hurried(self) -> bool:
        """Whether somebody waits; asked once for each time."""


class Behind(Generic[T]):
    """What waits. `work` is handed some of it, and how many were turned away meanwhile.

    What it raises is logged. `told` has whom to tell how far this process has come, if anybody.
    """

    _lock: threading.Lock
    _changed: threading.Condition
    _thread: threading.Thread | None
    _waiting: list[T]
    _bytes: int
    _taken: int
    _done: int
    _dropped: int
    _idle: bool
    _hurried: bool

    def __init__(
        self,
        work: Callable[[list[T], int], None],
        told: Callable[[], Told | None] = lambda: None,
    ) -> None:
        self._work = work
        self._told = told
        self._reset()
        _ALL.add(self)

    def put(self, one: T, size: int = 0, *, again: bool = False) -> bool:
        """Have something done; False if it is turned away. `size` is what it holds in bytes.

        `again` says that it will be handed over once more, and need not be counted yet.
        """
        with self._lock:
            if len(self._waiting) >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
                self._dropped += not again
                return False
            self._waiting.append(one)
            self._bytes += size
            self._taken += 1
            if (told := self._told()) is not None:
                told.take(self._taken)
            if self._idle:
                self._idle = False
                self._changed.notify_all()
            elif self._thread is None:
                thread = threading.Thread(target=self._run, name="behind", daemon=True)
                with suppress(RuntimeError):  # no thread is to be had: what comes next asks again
                    thread.start()
                    self._thread = thread
        return True

    def settle(self) -> None:
        """Wait until all that this process was handed by now is done."""
        with self._lock:
            taken = self._taken
            if self._done < taken:
                self._hurried = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._done >= taken, PATIENCE_SECONDS)

    def forget(self) -> None:
        """Leave what waits to the process that this one was forked from."""
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread = None
        self._waiting = []
        self._bytes = self._taken = self._done = self._dropped = 0
        self._idle = self._hurried = False

    def _run(self) -> None:
        lingers = 1
        while self._await():
            for _ in range(lingers):
                if self._linger():
                    break
            lingers = LINGERS_WHEN_BUSY if self._do() >= BUSY else 1

    def _await(self) -> bool:
        """Wait for something to come, and say whether it did."""
        with self._lock:
            # One that comes while the last ones are done needs nobody to wake this thread.
            if not self._waiting:
                self._idle = True
                if not self._changed.wait_for(lambda: self._waiting, IDLE_SECONDS):
                    self._idle, self._thread = False, None
                    return False
        return True

    def _linger(self) -> bool:
        """Wait for more to come, and say whether somebody is in a hurry."""
        with self._lock:
            self._changed.wait_for(lambda: self._hurried, LINGER_SECONDS)
            told = self._told()
            return self._hurried or (told is not None and told.is_hurried())

    def _do(self) -> int:
        """Do what waits, and say how much it was."""
        with self._lock:
            batch, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, 0
            self._bytes, self._hurried = 0, False
        try:
            self._work(batch, dropped)
        except Exception:
            log.exception("%d things could not be done", len(batch))
        with self._lock:
            self._done += len(batch)
            if (told := self._told()) is not None:
                told.write(self._done)
            self._changed.notify_all()
        return len(batch)


_ALL: "weakref.WeakSet[Behind[Any]]" = weakref.WeakSet()


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
