"""The client report: what a client did about failures, as far as the server can see it.

Each rule looks at the exchanges of one client in their order. A client is told by its key,
its `User-Agent` and its address; a retry by the header in which OpenAI's SDKs count them, or
by the same request coming again after a failure.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence

from msgspec import Struct

from llm_proxy.control.attempts import Attempt, Client
from llm_proxy.control.retries import retry_pairs
from llm_proxy.journal.entry import Found

HASTE_SECONDS = 0.1
"""A retry that comes sooner did not back off; OpenAI's SDKs wait at least 0.375 s."""

HAMMERING = 2
"""So many hasty retries in a row are hammering."""

TOLERANCE_SECONDS = 0.05
"""By which a client's clock may be ahead of ours, or rounded."""

MANY_POOLS = 8
"""Idle connections that a client of OpenAI's SDKs may have: each of its objects keeps its own."""


class Finding(Struct, frozen=True):
    """What a client did wrong: the rule, where it comes from, and the exchanges that show it."""

    rule: str
    message: str
    source: str
    exchanges: Sequence[str]


Rule = Callable[[Sequence[Attempt], Collection[str]], Iterator[Finding]]
"""From the attempts of one client and the addresses of open connections to what is wrong."""


def findings(exchanges: Sequence[Found], connections: Collection[str]) -> list[Finding]:
    """All findings in `exchanges`, the oldest first; `connections` are those still open."""
    clients: dict[Client, list[Attempt]] = defaultdict(list)
    for attempt in map(Attempt, sorted(exchanges, key=lambda found: found.entry.time)):
        clients[attempt.client].append(attempt)
    return [
        finding
        for attempts in clients.values()
        for rule in RULES
        for finding in rule(attempts, connections)
    ]


def _retried_in_vain(attempts: Sequence[Attempt], _: Collection[str]) -> Iterator[Finding]:
    for failed, retry in retry_pairs(attempts):
        if failed.status >= 400 and not failed.may_be_retried:
            yield Finding(
                "retried_in_vain",
                f"It repeated a request that was answered with {failed.status}"
                f"{f' ({failed.code})' if failed.code else ''}, which will not succeed.",
                "OpenAI's SDKs retry 408, 409, 429 and 5xx, and what x-should-retry says; "
                "API reference, error codes: insufficient_quota is not to be retried",
                (failed.id, retry.id),
            )


def _ignored_retry_after(attempts: Sequence[Attempt], _: Collection[str]) -> Iterator[Finding]:
    for failed, retry in retry_pairs(attempts):
        asked, waited = failed.retry_after_seconds, retry.came - failed.ended
        if asked is not None and waited < asked - TOLERANCE_SECONDS:
            yield Finding(
                "ignored_retry_after",
                f"It was asked to wait for {asked:g} s, and came again after {waited:.2f} s.",
                "RFC 9110, 10.2.3 Retry-After",
                (failed.id, retry.id),
            )


def _hammered(attempts: Sequence[Attempt], _: Collection[str]) -> Iterator[Finding]:
    hasty = {
        failed.id: (failed, retry)
        for failed, retry in retry_pairs(attempts)
        if retry.came - failed.ended < HASTE_SECONDS
    }
    retries = {retry.id for _, retry in hasty.values()}
    for failed, retry in hasty.values():
        if failed.id not in retries:
            row = [failed, retry]
            while row[-1].id in hasty:
                row.append(hasty[row[-1].id][1])
            yield from _hammering(row)


def _hammering(hasty: Sequence[Attempt]) -> Iterator[Finding]:
    if len(hasty) > HAMMERING:
        yield Finding(
            "hammered",
            f"It repeated a failed request {len(hasty) - 1} times without backing off: each "
            f"within {HASTE_SECONDS * 1000:g} ms of the failure.",
            "OpenAI's guide to rate limits: retry with exponential backoff",
            tuple(one.id for one in hasty),
        )


def _accepted_truncated(attempts: Sequence[Attempt], _: Collection[str]) -> Iterator[Finding]:
    whole = [(one.came, one.text.strip()) for one in attempts if one.is_whole]
    for number, broken in enumerate(attempts):
        if not (broken.was_broken_off and broken.text):
            continue
        before = {said.strip() for said in broken.said_before}
        for later in attempts[number + 1 :]:
            took = {one.strip() for one in later.said_before if one and broken.text.startswith(one)}
            if took and took - before - {text for came, text in whole if came < later.came}:
                yield Finding(
                    "accepted_truncated",
                    "It took what had come of a reply that broke off for the whole of it, and "
                    "went on with that.",
                    "API reference, streaming: a reply is whole when its finish reason has come, "
                    "and the stream ends with [DONE]",
                    (broken.id, later.id),
                )
                break


def _left_open(attempts: Sequence[Attempt], connections: Collection[str]) -> Iterator[Finding]:
    used: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        used[attempt.peer].append(attempt)
    found: list[Finding] = []
    for peer, on_it in used.items():
        idle_since = max(one.ended for one in on_it) + TOLERANCE_SECONDS
        newer = [one for other, (one, *_) in used.items() if other != peer]
        newer = [one for one in newer if one.came > idle_since]
        if peer in connections and newer:
            found.append(
                Finding(
                    "left_open",
                    "It left a connection open that it had no more use for: it was idle when the "
                    "next one was opened, and still is.",
                    "RFC 9112, 9.3 Persistence: a connection is used again, or closed",
                    (on_it[-1].id, newer[0].id),
                )
            )
    of_an_sdk = any(one.count is not None for one in attempts)
    if len(found) > (MANY_POOLS if of_an_sdk else 0):
        yield from found


def _read_on(attempts: Sequence[Attempt], _: Collection[str]) -> Iterator[Finding]:
    for attempt in attempts:
        if attempt.read_on:
            yield Finding(
                "read_on",
                "It ended the exchange by closing its side of the connection, and went on "
                "reading: it took in what it had given up.",
                "RFC 9112, 9.6 Tear-down",
                (attempt.id,),
            )


RULES: Sequence[Rule] = (
    _retried_in_vain,
    _ignored_retry_after,
    _hammered,
    _accepted_truncated,
    _left_open,
    _read_on,
)
