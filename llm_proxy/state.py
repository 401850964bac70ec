"""The state that all workers of one server share: what was set at run time, and what was counted.

A small interface, so that a store on the network can stand in for the one on disk. Knows
nothing of what the documents mean.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

Kind = Literal["fixture", "fault", "pacing", "quota"]
"""What can be set at run time."""


class Scripted(Struct, frozen=True):
    """One thing that was set at run time.

    `times` is how often it can be used (None: always); `take` counts it down. An empty
    `namespace` means that it holds in all of them.
    """

    number: int
    kind: Kind
    namespace: str
    document: Mapping[str, Any]
    times: int | None = None

    @property
    def uses(self) -> str:
        """The counter, in its namespace, of who uses it without taking it."""
        return f"used:{self.number}"


class Charge(Struct, frozen=True):
    """What is to be taken from one limit, which fills up steadily: all of it in a minute.

    The `amount` is at most what there is in a minute; more will never be there.
    """

    limit: str
    amount: int
    per_minute: int


class Balance(Struct, frozen=True):
    """What is left of a limit, and milliseconds until the amount will be there (0: it was)."""

    left: float
    wait_ms: int


class State(Protocol):
    """What is shared. Every method is atomic over all threads and processes of the server."""

    def version(self) -> int:
        """A number that changes whenever something is set or removed; cheap to ask."""

    def scripted(self, kind: Kind) -> Sequence[Scripted]:
        """All things of one kind that are set, in the order in which they were."""

    def add(
        self, kind: Kind, namespace: str, document: Mapping[str, Any], times: int | None = None
    ) -> int:
        """Set something; its number, which nothing else of this server ever has."""

    def remove(self, kind: Kind, number: int) -> bool:
        """Remove something; whether it was there."""

    def take(self, kind: Kind, namespace: str) -> Scripted | None:
        """Use up one of the first thing that holds in `namespace`; what it was like before."""

    def count(self, namespace: str, counter: str) -> int:
        """How often a counter was advanced; 0 for one that never was."""

    def advance(self, namespace: str, counter: str, expected: int | None = None) -> bool:
        """Count one more, unless the counter is no longer at `expected`; whether it did."""

    def spend(self, namespace: str, charges: Sequence[Charge], now: float) -> Sequence[Balance]:
        """Take all amounts, or none if one of them is not there; what is left of each limit.

        `now` is in Unix seconds. Who waits as long as the longest wait, and is alone, gets all.
        """

    def reset(self, namespace: str | None = None) -> None:
        """Forget all, or all of one namespace: what was set there, and what was counted."""
