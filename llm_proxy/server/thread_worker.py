"""gunicorn's thread worker, whose threads take turns.

Knows gunicorn, and nothing of what is served.
"""

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from llm_proxy.work.turns import AT_MOST_SECONDS, Turns, pass_on


class TurnWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A process that answers one request after the other, and goes on while one waits."""

    tpool: Turns

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.method_queue = _Calls(lambda: self.tpool.waiting)

    def get_thread_pool(self) -> Turns:
        return Turns(self.cfg.threads)

    def handle(self, conn: Any) -> Any:
        # A new connection may say nothing for seconds, or has to agree on keys first.
        if not conn.initialized and (self.cfg.is_ssl or not conn.wait_for_data(0)):
            pass_on()
        return super().handle(conn)

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            # Not only at the end, after the last stream: until the last process lets go of a
            # socket the system takes connections for it, which nobody would answer. With a
            # reload the arbiter and the new workers have it still.
            for listener in self.sockets:
                listener.close()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        if self.tpool.look():
            timeout = min(timeout, AT_MOST_SECONDS)
        elif self.method_queue.any:  # they woke nobody, as more was about to be answered just now
            timeout = 0.0
        super().wait_for_and_dispatch_events(timeout)
        self.method_queue.run_callbacks()


class _Calls:
    """What the main thread is to call for others, in place of gunicorn's `PollableMethodQueue`.

    That wakes it for each request that is answered. While `more` are about to be answered there
    is nothing that it could do at once: it looks here by itself soon, and the last one wakes it.
    """

    def __init__(self, more: Callable[[], bool]) -> None:
        self._more = more
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._woken = False

    def init(self) -> None:
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._reads, False)
        os.set_blocking(self._writes, False)

    def close(self) -> None:
        os.close(self._reads)
        os.close(self._writes)

    def fileno(self) -> int:
        """Readable when the main thread is woken."""
        return self._reads

    @property
    def any(self) -> bool:
        """Whether there is anything to be called."""
        return bool(self._calls)

    def defer(self, callback: Callable[..., None], *args: Any) -> None:
        """Have the main thread call something soon."""
        self._calls.append((callback, args))
        if not self._more() and not self._woken:
            self._woken = True
            with suppress(OSError):  # closed: the worker ends
                os.write(self._writes, b"\0")

    def run_callbacks(self, readable: Any = None) -> None:
        """Call what there is by now; `readable` is what the poller found to be so, if it did."""
        if self._woken or readable is not None:  # one that was written late tells of nothing more
            self._woken = False  # before the look, as whoever comes now has to be seen or to wake
            with suppress(BlockingIOError):  # not yet written
                os.read(self._reads, 64)
        for _ in range(len(self._calls)):
            callback, args = self._calls.popleft()
            callback(*args)
