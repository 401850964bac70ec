"""Retries: which attempt was made because of which, as far as it can be told.

Where several may have been meant, the one that excuses the client is taken: nobody is to be
accused of what may not have been.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from llm_proxy.control.attempts import Attempt

RETRY_SECONDS = 60.0
"""Within which the same request is taken for a retry of one that has failed."""


def retry_pairs(attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Attempt]]:
    """Each attempt that failed, with the one that was made because of that.

    The attempts are those of one client in their order.
    """
    same: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        same[attempt.request].append(attempt)
    for each in same.values():
        yield from _counted([one for one in each if one.count is not None])
        yield from _in_a_row([one for one in each if one.count is None])


def _counted(attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Attempt]]:
    """The pairs where the client counts its retries: each retry has one attempt before it."""
    waiting: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        count = attempt.count or 0
        meant = [one for one in waiting[count - 1] if _may_have_led_to(one, attempt)]
        if meant:
            failed = min(meant, key=_blame)
            waiting[count - 1].remove(failed)
            if failed.has_failed:
                yield failed, attempt
        if attempt.has_failed or attempt.gave_up:
            waiting[count].append(attempt)


def _may_have_led_to(failed: Attempt, retry: Attempt) -> bool:
    """Whether the client knew of the failure, and not for too long, when it asked again.

    When it gave up it knew before the server did.
    """
    known = failed.came if failed.gave_up else failed.ended
    return known <= retry.came < failed.ended + RETRY_SECONDS


def _blame(failed: Attempt) -> tuple[bool, float]:
    """What makes a retry wrong: that it is in vain, else how late the client was to come."""
    vain = failed.has_failed and not failed.may_be_retried
    return vain, failed.ended + (failed.retry_after_seconds or 0)


def _in_a_row(attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, Attempt]]:
    """The pairs where it does not count: neighbours, each of which was alone.

    Of those that were under way together nobody can tell which one another was a retry of, or
    whether it was one at all: one thread may have begun with the request when another had done.
    """
    for (earlier, *others), (later, *more) in pairwise(_bouts(attempts)):
        soon = later.came - earlier.ended < RETRY_SECONDS
        if earlier.has_failed and soon and not others and not more:
            yield earlier, later


def _bouts(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """The attempts, in one list those that were under way together."""
    bouts: list[list[Attempt]] = []
    until = 0.0
    for attempt in attempts:
        if attempt.came < until:
            bouts[-1].append(attempt)
        else:
            bouts.append([attempt])
        until = max(until, attempt.ended)
    return bouts
