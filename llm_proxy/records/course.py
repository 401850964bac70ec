"""The course of a reply: what came of it, and when, kept as cheaply as can be.

It is on the way of every piece of a stream, of which there may be thousands, so it holds on to
no more than the text and the moment of each. Knows no JSON and no clock, and nothing of what
becomes of what it keeps.
"""

from array import array
from collections.abc import Sequence

from msgspec import Struct

from llm_proxy.core.reply import Annotations, Finish, Said, TextDelta, TextRun


class SoFar(Struct, frozen=True, gc=False):
    """What had come at one moment.

    First the pieces of one text, the `texts`, and then `events`, from the first one that was
    anything else, or of another choice. `moments` are those at which something came, in seconds
    on the monotonic clock. With each of them came the next so many pieces of the text as `counts`
    tells, or one, if it tells nothing; the last ones are those of the events, one for each.
    """

    texts: Sequence[str]
    events: Sequence[Said | TextRun]
    moments: "array[float]"
    counts: Sequence[int]

    @property
    def finish(self) -> Finish | None:
        """How the text ended, if that is all that came after it."""
        match self.events:
            case [Finish(choice=0) as finish]:
                return finish
            case _:
                return None

    @property
    def is_one_text(self) -> bool:
        """Whether there is nothing but one text, finished or not."""
        return not self.events or self.finish is not None

    @property
    def pieces(self) -> int:
        """How many there are, those of runs each by itself."""
        return len(self.texts) + sum(map(_pieces, self.events))


def _pieces(event: Said | TextRun) -> int:
    return len(event.pieces) if isinstance(event, TextRun) else 1


_NOTHING = SoFar((), (), array("d"), ())

_NO_PIECES = (Finish, Annotations)


class Course:
    """What has come of a reply. What was said is only kept if it `keeps` it.

    `together` counts the pieces that came with another one, beyond those that have a moment.
    `left_out` counts those that are not kept, as there are too many.
    """

    __slots__ = (
        "_apart",
        "_counts",
        "_events",
        "_moments",
        "_silent",
        "_texts",
        "keeps",
        "left_out",
        "together",
    )

    def __init__(self) -> None:
        self.keeps = False
        self.together = 0
        self.left_out = 0
        self._texts: list[str] = []
        self._events: list[Said | TextRun] = []
        self._apart = 0  # where the moments of the events begin
        self._moments = array("d")
        self._counts = array("I")  # 0 for what is no piece of a text, thought or call
        self._silent = 0  # how many of them are 0

    def came(self, event: Said | TextRun, moment: float) -> None:
        """Take down what came at a moment."""
        count = 1
        if isinstance(event, TextRun):
            count = len(event.pieces)
            self.together += count - 1
        elif isinstance(event, _NO_PIECES):
            count = 0
            self._silent += 1
        if self.keeps:
            of_the_text = not (self._events or event.choice)
            if of_the_text and isinstance(event, TextRun):
                self._texts += event.pieces
            elif of_the_text and isinstance(event, TextDelta):
                self._texts.append(event.text)
            else:
                if not self._events:
                    self._apart = len(self._moments)
                self._events.append(event)
        self._moments.append(moment)
        self._counts.append(count)  # last: what has a count is there

    def leave_out(self, event: Said | TextRun) -> None:
        """Count what comes, and keep nothing of it."""
        self.left_out += _pieces(event)

    def so_far(self) -> SoFar:
        """What is kept by now; whoever takes down may go on meanwhile."""
        known = len(self._counts)
        if not known:
            return _NOTHING
        events = self._events[:]
        apart = min(self._apart, known) if events else known
        # Where no pieces came together there is one with each moment.
        counts = self._counts[:apart].tolist() if self.together else []
        return SoFar(
            self._texts[: sum(counts) if counts else apart],
            events[: known - apart],
            self._moments[:known],
            counts,
        )

    @property
    def moments(self) -> Sequence[float]:
        """When pieces came, in seconds on the monotonic clock: one moment for those together."""
        if any(self._counts[len(self._counts) - self._silent :]):  # others came behind them
            return [at for at, count in zip(self._moments, self._counts, strict=True) if count]
        return self._moments[: len(self._moments) - self._silent]
