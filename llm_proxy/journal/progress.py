"""How far the workers of one server have come with what they have to write.

Two numbers for each worker, in memory that they share with the process that forked them:
how much it took on, and how much of that is written. So whoever reads can wait until what
others took on before is written, and nobody has to wait to write. Knows nothing of what it is.
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
        self._memory = mmap.mmap(-1, SLOTS * 16)  # anonymous: no file, and gone with the last one
        self._numbers = memoryview(self._memory).cast("Q")

    def clear(self, slot: int) -> None:
        """Begin anew with a worker, or forget one that has died with what it had."""
        self._numbers[2 * slot] = self._numbers[2 * slot + 1] = 0

    def take(self, slot: int, total: int) -> None:
        """Say how much a worker has taken on, since it was cleared."""
        self._numbers[2 * slot] = total

    def write(self, slot: int, total: int) -> None:
        """Say how much of it is written, or given up."""
        self._numbers[2 * slot + 1] = total

    def settle(self, seconds: float) -> bool:
        """Wait until all that is taken on by now is written, at most so long; whether it is."""
        numbers = self._numbers
        waiting = [
            (at, numbers[at]) for at in range(0, 2 * SLOTS, 2) if numbers[at] > numbers[at + 1]
        ]
        end = time.monotonic() + seconds
        turn = threading.Event()
        while waiting := [
            (at, taken) for at, taken in waiting if numbers[at] >= taken > numbers[at + 1]
        ]:
            if time.monotonic() >= end:
                return False
            turn.wait(_TURN_SECONDS)
        return True


class _Here:
    """The numbers that this process has a part in, if its parent shares any."""

    progress: Progress | None = None
    slot = 0


def share() -> None:
    """Have the processes that are forked from now on share their progress."""
    _Here.progress = Progress()


def begin(age: int) -> None:
    """Be the worker of this age: workers are counted as they are forked."""
    _Here.slot = age % SLOTS
    if _Here.progress is not None:
        _Here.progress.clear(_Here.slot)


def end(age: int) -> None:
    """Forget the worker of this age, which has ended."""
    if _Here.progress is not None:
        _Here.progress.clear(age % SLOTS)


def shared() -> tuple[Progress, int] | None:
    """What is shared, and where in it this process stands; None for a process on its own."""
    return None if _Here.progress is None else (_Here.progress, _Here.slot)
