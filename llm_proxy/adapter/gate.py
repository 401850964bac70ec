"""The gate: so many calls of the upstream at once, and the others wait their turn for a while."""

import math
import threading
import time
from collections import deque
from collections.abc import Generator

from llm_proxy.errors import UpstreamBusy
from llm_proxy.upstream.call import TURN_SECONDS
from llm_proxy.work.turns import pass_on


class Gate:
    """Lets `places` in at once (0: all of them), in the order in which they came."""

    def __init__(self, places: int, patience_seconds: float) -> None:
        self._limited = places > 0
        self._free = places
        self._patience_seconds = patience_seconds
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def enter(self) -> Generator[None, None, None]:
        """Wait until there is a place, and yield now and then meanwhile.

        Whoever got in calls `leave`; whoever was refused or went away does not.

        Raises:
            UpstreamBusy: there was none for as long as the patience lasts.
        """
        admitted = threading.Event()
        with self._lock:
            if not self._limited or (self._free and not self._waiting):
                self._free -= 1
                return
            self._waiting.append(admitted)
        pass_on()
        deadline = time.monotonic() + self._patience_seconds
        inside = False
        try:
            while not inside:
                left = deadline - time.monotonic()
                inside = admitted.wait(max(min(TURN_SECONDS, left), 0.0))
                if inside:
                    break
                if left <= 0:
                    raise UpstreamBusy(
                        "The legacy search API is asked as many questions at once as "
                        "STREAM_MAX_CALLS allows, and none ended within STREAM_QUEUE_TIMEOUT. "
                        "Try again in a moment.",
                        retry_after_seconds=max(math.ceil(self._patience_seconds), 1),
                    )
                yield
        finally:
            if not inside:
                self._withdraw(admitted)

    def leave(self) -> None:
        """Give the place to the one who has waited longest."""
        with self._lock:
            self._pass_on()

    def _withdraw(self, admitted: threading.Event) -> None:
        with self._lock:
            if admitted.is_set():  # just now: nobody takes that place
                self._pass_on()
            else:
                self._waiting.remove(admitted)

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1
