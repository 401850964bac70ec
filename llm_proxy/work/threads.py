"""Threads that are kept for the next piece of work: to start one costs more than most calls do.

Knows nothing of what is done in them.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

Work = Callable[[], None]
"""What raises nothing."""

IDLE_SECONDS = 5.0


class Threads:
    """As many threads as there is work at once; one with nothing to do for a while ends.

    `idle_seconds` is for how long, None for ever.
    """

    def __init__(self, name: str, idle_seconds: float | None = IDLE_SECONDS) -> None:
        self._name = name
        self._idle_seconds = idle_seconds
        self._idle: list[SimpleQueue[Work]] = []

    @property
    def idle(self) -> int:
        """How many are waiting for work."""
        return len(self._idle)

    def run(self, work: Work) -> None:
        """Have `work` done at once, by a thread that waits or by a new one.

        Raises:
            RuntimeError: none waits, and the system has no more of them.
        """
        try:
            waiting = self._idle.pop()  # the one that has worked last: its stack is at hand
        except IndexError:
            threading.Thread(target=self._serve, args=(work,), name=self._name, daemon=True).start()
        else:
            waiting.put(work)

    def _serve(self, work: Work | None) -> None:
        given: SimpleQueue[Work] = SimpleQueue()
        while work is not None:
            work()
            work = None  # what it holds is not to be kept while nothing is done
            self._idle.append(given)
            work = self._next(given)

    def _next(self, given: SimpleQueue[Work]) -> Work | None:
        try:
            return given.get(timeout=self._idle_seconds)
        except Empty:
            try:
                self._idle.remove(given)
            except ValueError:  # somebody gives work just now
                return given.get()
            return None
