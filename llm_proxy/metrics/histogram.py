"""A histogram that many values are put into at once.

prometheus-client takes one value at a time, which costs more than to send a chunk of a stream
may. So values are sorted into buckets here, and only the sums are written down.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from operator import sub

from prometheus_client import Histogram


class BulkHistogram(Histogram):
    """A histogram with `observe_gaps`."""

    def observe_gaps(self, moments: Sequence[float]) -> None:
        """Observe how long after each moment the next one came; of fewer than two, nothing."""
        if len(moments) < 2:
            return
        gaps = sorted(map(sub, islice(moments, 1, None), moments))
        below = 0
        for bucket, bound in zip(self._buckets, self._upper_bounds, strict=True):
            up_to = bisect_right(gaps, bound, below)  # a bucket holds its upper bound
            if up_to > below:
                bucket.inc(up_to - below)
                below = up_to
        self._sum.inc(moments[-1] - moments[0])
