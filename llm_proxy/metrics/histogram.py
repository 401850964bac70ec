"""A histogram that many values are put into at once.

prometheus-client takes one value at a time, which costs more than to send a chunk of a stream
may. So values are sorted into buckets here, and only the sums are written down.
"""

from bisect import bisect_left
from collections.abc import Sequence

from prometheus_client import Histogram


class BulkHistogram(Histogram):
    """A histogram with `observe_gaps`."""

    def observe_gaps(self, moments: Sequence[float]) -> None:
        """Observe how long after each moment the next one came; of fewer than two, nothing."""
        if len(moments) < 2:
            return
        bounds = self._upper_bounds
        counts = [0] * len(bounds)
        before = moments[0]
        for moment in moments:
            counts[bisect_left(bounds, moment - before)] += 1  # a bucket holds its upper bound
            before = moment
        counts[0] -= 1  # of the first moment, which came after itself
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(moments[-1] - moments[0])
