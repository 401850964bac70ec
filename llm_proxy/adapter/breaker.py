"""The breaker: leaves an upstream alone for a while once it has failed several times in a row."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llm_proxy.errors import UpstreamDown, UpstreamError


class Attempt:
    """One question put to the upstream; `revive` is called when it shows that it lives."""

    def __init__(self, revive: Callable[[], None]) -> None:
        self._revive = revive
        self.alive = False

    def answered(self, status: int) -> None:
        """An HTTP status below 500 shows that the upstream lives, whatever it says."""
        if status < 500:
            self.alive = True
            self._revive()


class Breaker:
    """Opens after so many failures in a row (0: never), for so many seconds.

    A failure is an upstream that gave no answer, or one of a server that has failed. After the
    time one question is let through as a probe, and all of them once it has been answered.
    """

    def __init__(self, failures: int, seconds: float) -> None:
        self._allowed = failures
        self._seconds = seconds
        self._failures = 0
        self._opened_at: float | None = None
        self._probe: Attempt | None = None  # until it is answered, or over
        self._lock = threading.Lock()

    def check(self) -> None:
        """See whether the upstream may be asked, without asking.

        Raises:
            UpstreamDown: it may not; says when it may.
        """
        with self._lock:
            self._check()

    @contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """Ask the upstream, and learn from how that ends.

        Raises:
            UpstreamDown: it may not be asked.
        """
        attempt = Attempt(self._revived)
        with self._lock:
            self._check()
            if self._opened_at is not None:
                self._probe = attempt
        try:
            yield attempt
        except UpstreamError:
            if not attempt.alive:
                self._failed()
            raise
        finally:
            with self._lock:
                if self._probe is attempt:
                    self._probe = None

    def _revived(self) -> None:
        with self._lock:
            self._failures, self._opened_at, self._probe = 0, None, None

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._allowed and self._failures >= self._allowed:
                self._opened_at = time.monotonic()

    def _check(self) -> None:
        if self._opened_at is None:
            return
        if time.monotonic() >= self._opened_at + self._seconds and self._probe is None:
            return
        raise UpstreamDown(
            "The legacy search API has failed several times in a row and is left alone for as "
            "long as STREAM_BREAKER_SECONDS says. Check that it runs and that STREAM_URL is its "
            "address."
        )
