"""Ticks: when the pieces of a stream went out, kept as cheaply as can be.

Pieces that were written together have one moment. Knows nothing of what was sent, nor of what
becomes of the times.
"""

import time
from collections import deque

MAX_TICKS = 65536
"""So many moments are kept; of a stream that has more, the last ones."""


class Ticks:
    """The `moments` in seconds on the monotonic clock, in order; the `first` of all, if any.

    `together` counts the pieces that came with another one, beyond those that have a moment.
    """

    __slots__ = ("first", "moments", "together")

    def __init__(self) -> None:
        self.first: float | None = None
        self.moments: deque[float] = deque(maxlen=MAX_TICKS)
        self.together = 0

    def sent(self, pieces: int) -> None:
        """So many pieces were written together, now."""
        moment = time.monotonic()
        if self.first is None:
            self.first = moment
        self.moments.append(moment)
        self.together += pieces - 1
