"""How far the workers of one server have come with what they have to write.

Three numbers for each worker, in memory that they share with the process that forked them: how
much it took on, how much of that is written, and whether somebody waits for it. So whoever
reads can wait until what others took on before is written, and nobody has to wait to write.
Knows nothing of what it is.
"""

import mmap
import threading
import time

SLOTS = 1024
"""Workers at once. One more would share its numbers with another, whom readers may then miss."""

_TURN_SECONDS = 0.002


class Progress:
    """The numbers of all workers."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SLOTS * 24)  # anonymous: no file, and gone with the last one
        self._numbers = memoryview(self._memory).cast("Q")

    def clear(self, slot: int) -> None:
        """Begin anew with a worker, or forget one that has died with what it had."""
        for at in range(3 * slot, 3 * slot + 3):
            self._numbers[at] = 0

    def of(self, slot: int) -> "OfWorker":
        """The part of one worker."""
        return OfWorker(self._numbers[3 * slot : 3 * slot + 3])

    def settle(self, seconds: float) -> bool:
        """Wait until all that is taken on by now is written, at most so long; whether it is.

        Those who have something to write are told that somebody waits.
        """
        numbers = self._numbers
        waiting = [
            (at, numbers[at]) for at in range(0, 3 * SLOTS, 3) if numbers[at] > numbers[at + 1]
        ]
        end = time.monotonic() + seconds
        turn = threading.Event()
        while waiting := [
            (at, taken) for at, taken in waiting if numbers[at] >= taken > numbers[at + 1]
        ]:
            if time.monotonic() >= end:
                return False
            for at, _ in waiting:
                numbers[at + 2] = 1
            turn.wait(_TURN_SECONDS)
        return True


class OfWorker:
    """The numbers of one worker, for itself to write."""

    def __init__(self, numbers: memoryview) -> None:
        self._numbers = numbers

    def take(self, total: int) -> None:
        """Say how much the worker has taken on, since it was cleared."""
        self._numbers[0] = total

    def write(self, total: int) -> None:
        """Say how much of it is written, or given up."""
        self._numbers[1] = total

    def is_hurried(self) -> bool:
        """Whether somebody waits; not until they have said so again."""
        hurried = bool(self._numbers[2])
        self._numbers[2] = 0
        return hurried


class _Here:
    """What this process has a part in, if its parent shares any."""

    progress: Progress | None = None
    own: OfWorker | None = None


def share() -> None:
    """Have the processes that are forked from now on share their progress."""
    _Here.progress = Progress()
    _Here.own = _Here.progress.of(0)


def begin(age: int) -> None:
    """Be the worker of this age: workers are counted as they are forked."""
    if _Here.progress is not None:
        _Here.progress.clear(age % SLOTS)
        _Here.own = _Here.progress.of(age % SLOTS)


def end(age: int) -> None:
    """Forget the worker of this age, which has ended."""
    if _Here.progress is not None:
        _Here.progress.clear(age % SLOTS)


def own() -> OfWorker | None:
    """The numbers of this process; None for a process on its own."""
    return _Here.own


def settle(seconds: float) -> bool:
    """As `Progress.settle`, of what is shared, if anything is."""
    return _Here.progress is None or _Here.progress.settle(seconds)
