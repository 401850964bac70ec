"""Ticks: when the pieces of a stream went out, collected as cheaply as can be.

Made for the loop that sends them: one tick costs a tenth of a microsecond. Knows nothing of
what was sent, nor of what becomes of the times.
"""

from array import array
from collections.abc import Sequence
from time import monotonic

MAX_TICKS = 65536
"""So many are kept, half a megabyte; of a stream that is longer, the first ones."""


class Ticks:
    """Moments in seconds on the clock of `time.monotonic`, in order."""

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments = array("d")

    def tick(self) -> None:
        """Something has just been sent."""
        if len(self._moments) < MAX_TICKS:
            self._moments.append(monotonic())

    def moments(self) -> Sequence[float]:
        """All moments so far."""
        return self._moments
