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

AT_MOST_SECONDS = 0.005
"""For how long others wait for one to go on: as long as Python's own interval between threads."""

T = TypeVar("T")


class _Seat:
    """A thread's place: it works when `called`, until there is nothing to do for it."""

    __slots__ = ("called", "turns")

    def __init__(self, turns: "Turns") -> None:
        self.turns = turns
        self.called = threading.Lock()
        self.called.acquire()


class _Here(threading.local):
    seat: _Seat | None = None


_here = _Here()


def pass_on() -> None:
    """Let others begin: this thread is about to wait. It goes on when it likes."""
    seat = _here.seat
    if seat is not None:
        seat.turns.pass_on(seat)


class Turns(Executor):
    """At most so many threads, which are made when they are needed, and kept.

    Somebody has to `look` now and then while any work is `waiting`, as who waits may not know
    that it does: a write to a client that reads nothing.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._resting: list[_Seat] = []
        self._turn: _Seat | None = None
        self._since = 0.0
        self._most = self._unmade = most
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

    def pass_on(self, seat: _Seat) -> None:
        """Let the next work begin if it is the turn of `seat`."""
        if self._turn is seat:  # it is asked before each piece of a stream: mostly it is not
            with self._lock:
                if self._turn is seat:
                    self._call()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Take no work any more. The threads end with the process, whatever `wait` says."""
        self._over = True  # without the lock: a signal may come while this thread has it
        while cancel_futures and self._waiting:
            with suppress(IndexError):  # somebody was faster
                self._waiting.popleft()[0].cancel()

    def _call(self) -> None:
        """Give the turn to a thread that rests or a new one, if there is any work and any thread.

        To be called with the lock.
        """
        self._turn = None
        if not self._waiting:
            return
        if self._resting:
            seat = self._resting.pop()  # that has worked last: its stack is at hand
        elif self._unmade:
            seat = _Seat(self)
            thread = threading.Thread(target=self._serve, args=(seat,), name="request", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no more of them
                if self._unmade == self._most:
                    raise
                return  # those that are there do it: who passes the turn on has no part in this
            self._unmade -= 1
        else:
            return
        self._turn, self._since = seat, self._now()
        seat.called.release()

    def _serve(self, seat: _Seat) -> None:
        _here.seat = seat
        while True:
            seat.called.acquire()
            while (taken := self._next(seat)) is not None:
                _do(*taken)
                taken = None  # what it holds is not to be kept while nothing is done

    def _next(self, seat: _Seat) -> tuple[Future[Any], Callable[[], Any]] | None:
        """The work that is next, if it is the turn of `seat`, or nobody's."""
        with self._lock:
            if self._waiting and self._turn in (seat, None):
                self._turn, self._since = seat, self._now()
                return self._waiting.popleft()
            if self._turn is seat:
                self._turn = None
            self._resting.append(seat)
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
