"""A histogram that many values are put into at once.

prometheus-client takes one value at a time, which costs more than to send a chunk of a stream
may. So values are sorted into buckets here, and only the sums are written down.
"""

from bisect import bisect_right
from collections.abc import Iterable

from prometheus_client import Histogram


class BulkHistogram(Histogram):
    """A histogram with `observe_all`."""

    def observe_all(self, values: Iterable[float], zeros: int = 0) -> None:
        """Observe each of the values, and so many zeros."""
        ordered = sorted(values)
        below = 0
        for bucket, bound in zip(self._buckets, self._upper_bounds, strict=True):
            up_to = bisect_right(ordered, bound, below)  # a bucket holds its upper bound
            if count := up_to - below + zeros:
                bucket.inc(count)
            below, zeros = up_to, 0  # no bound is below zero
            if below == len(ordered):
                break
        self._sum.inc(sum(ordered))
