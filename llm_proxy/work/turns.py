"""Turns: many threads, of which one works at a time, unless it waits for something.

Threads of Python cannot work at once. Those that try take the interpreter away from each other
at every call of the system, which makes a request cost up to three times as much, and once that
has begun it goes on. So the next work begins when the last one is over, or is about to wait,
or has had the turn for as long as the interpreter would have given it. Knows nothing of what
is done.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from llm_proxy.work.threads import Threads

AT_MOST_SECONDS = 0.005
"""For how long others wait for one to go on: as long as Python's own interval between threads."""

T = TypeVar("T")


class _Turn:
    """The turn of one thread, until it has nothing to do any more or has passed it on."""

    __slots__ = ("turns",)

    def __init__(self, turns: "Turns") -> None:
        self.turns = turns

    def serve(self) -> None:
        # Not a `partial`, which would take a page more of each thread's stack.
        self.turns.serve(self)


class _Here(threading.local):
    turn: _Turn | None = None


_here = _Here()


def pass_on() -> None:
    """Let others begin: this thread is about to wait. It goes on when it likes."""
    turn = _here.turn
    if turn is not None:
        turn.turns.pass_on(turn)


class Turns(Executor):
    """At most so many that work or wait, each in a thread, which is kept for the next.

    Somebody has to `look` now and then while any work is `waiting`, as who waits may not know
    that it does: a write to a client that reads nothing.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = Threads("request", idle_seconds=None)
        self._turn: _Turn | None = None
        self._since = 0.0
        self._free = most
        self._has_thread = False
        self._over = False

    @property
    def waiting(self) -> bool:
        """Whether there is work that has not begun."""
        return bool(self._waiting)

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have work done after what came before.

        Raises:
            RuntimeError: after the end, or where not even one thread can be made.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._over:
                raise RuntimeError("no work is taken any more")
            self._waiting.append((future, partial(work, *args, **kwargs)))
            if self._turn is None:
                self._call()
        return future

    def look(self) -> bool:
        """Let the next work begin if the last has gone on for too long; whether any is waiting."""
        with self._lock:
            if self._waiting and self._now() - self._since >= AT_MOST_SECONDS:
                self._call()
            return bool(self._waiting)

    def pass_on(self, turn: _Turn) -> None:
        """Let the next work begin if `turn` has not been passed on."""
        if self._turn is turn:  # it is asked before each piece of a stream: mostly it has been
            with self._lock:
                if self._turn is turn:
                    self._call()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Take no work any more. The threads end with the process, whatever `wait` says."""
        self._over = True  # without the lock: a signal may come while this thread has it
        while cancel_futures and self._waiting:
            with suppress(IndexError):  # somebody was faster
                self._waiting.popleft()[0].cancel()

    def _call(self) -> None:
        """Give the turn to a thread, if there is any work and any place.

        To be called with the lock.
        """
        self._turn = None
        if not (self._waiting and self._free):
            return
        turn = _Turn(self)
        try:
            self._threads.run(turn.serve)
        except RuntimeError:
            if not self._has_thread:
                raise
            return  # those that are there do it: who passes the turn on has no part in this
        self._has_thread = True
        self._free -= 1
        self._turn, self._since = turn, self._now()

    def serve(self, turn: _Turn) -> None:
        """Do work, one after the other, as long as it is this turn."""
        _here.turn = turn
        while (taken := self._next(turn)) is not None:
            _do(*taken)
            taken = None  # what it holds is not to be kept while nothing is done

    def _next(self, turn: _Turn) -> tuple[Future[Any], Callable[[], Any]] | None:
        """The work that is next, if it is this thread's turn, or nobody's."""
        with self._lock:
            if self._waiting and self._turn in (turn, None):
                self._turn, self._since = turn, self._now()
                return self._waiting.popleft()
            if self._turn is turn:
                self._turn = None
            self._free += 1
            return None


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
