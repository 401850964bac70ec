"""The allowance of a client: how much of a limit per minute is left, and when it is whole again.

Counts only; refuses nothing. Time is passed in.
"""

import threading

from msgspec import Struct

REQUESTS_PER_MINUTE = 10_000
TOKENS_PER_MINUTE = 2_000_000
"""The limits that are told of where nobody has set any. Nobody is refused for exceeding them."""


class Left(Struct, frozen=True):
    """What is left of a limit, and seconds until all of it is back."""

    per_minute: int
    remaining: int
    reset_seconds: float


class Allowance:
    """A limit per minute that fills up again steadily; shared by all threads of a process."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._used = 0.0
        self._at = 0.0
        self._lock = threading.Lock()

    def take(self, amount: int, now: float) -> Left:
        """Use `amount`, or all that is left, at `now`, in seconds."""
        per_second = self._per_minute / 60
        with self._lock:
            refilled = max(now - self._at, 0.0) * per_second
            used = max(self._used - refilled, 0.0) + min(amount, self._per_minute)
            self._used = min(used, self._per_minute)
            self._at = now
            left = int(self._per_minute - self._used)
            return Left(self._per_minute, left, self._used / per_second)


def spelled(seconds: float) -> str:
    """A duration as OpenAI's headers have it: `120ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{round(seconds, 3):g}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s"
