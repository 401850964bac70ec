"""Results: the samples of every measure of every contender, and how they compare.

Pure, and knows no scenario.
"""

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct, field

UNASKED = "was not asked for"

Key = tuple[str, str]
"""A measure, such as `JSON reply`, and a contender."""


class Figure(Struct):
    """What was measured, once in each round, in the order of the rounds."""

    unit: str
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.samples)


class Results(Struct):
    """All figures by measure and contender, and why there are none of others.

    `unasked` is why there are none of measures that nothing is said about.
    """

    figures: dict[str, dict[str, Figure]] = field(default_factory=dict)
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    unasked: str = UNASKED

    def add(self, measure: str, contender: str, unit: str, samples: Iterable[float]) -> None:
        """Add samples of one round or of several."""
        figure = self.figures.setdefault(measure, {}).setdefault(contender, Figure(unit))
        figure.samples += samples

    def skip(self, measure: str, contender: str, reason: str) -> None:
        """Say why there is no figure, or why there are no more samples."""
        self.skipped.setdefault(measure, {})[contender] = reason

    def value(self, key: Key, over: Key | None = None) -> float | None:
        """The median of a figure, or of its ratio to another one; None where one is missing.

        Where both were measured in the same rounds, it is the median of the ratios in each
        round: what disturbed a round disturbed both.
        """
        figure = self._figure(key)
        if figure is None or over is None:
            return None if figure is None else figure.median
        other = self._figure(over)
        if other is None:
            return None
        if len(figure.samples) != len(other.samples):
            return figure.median / other.median
        return median(a / b for a, b in zip(figure.samples, other.samples, strict=True))

    def why_not(self, *keys: Key | None) -> str:
        """Why one of the figures is missing."""
        for measure, contender in filter(None, keys):
            if self._figure((measure, contender)) is None:
                return self.skipped.get(measure, {}).get(contender, self.unasked)
        return ""

    def _figure(self, key: Key) -> Figure | None:
        figure = self.figures.get(key[0], {}).get(key[1])
        return figure if figure and figure.samples else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]
