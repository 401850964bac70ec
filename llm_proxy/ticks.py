"""Ticks: when the pieces of a stream went out, collected as cheaply as can be.

Made for the loop that sends them, where a call of a method of ours would cost as much again:
`ticks.append(now())`. Knows nothing of what was sent, nor of what becomes of the times.
"""

import time
from collections import deque

MAX_TICKS = 65536
"""So many are kept; of a stream that is longer, the last ones."""

Ticks = deque[float]
"""Moments in seconds on the clock of `now`, in order."""

now = time.monotonic


def ticks() -> Ticks:
    """No ticks so far."""
    return deque(maxlen=MAX_TICKS)
