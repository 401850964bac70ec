"""State in memory: what one process remembers until it ends. Nothing is shared with others."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from llm_proxy.state import Kind, Scripted


class MemoryState:
    """A `State` for a server with one process; see there for what each method does."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._version = 0
        self._last_number = 0
        self._scripted: list[Scripted] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._budgets: dict[tuple[str, str], tuple[float, float]] = {}

    def version(self) -> int:
        return self._version

    def scripted(self, kind: Kind) -> Sequence[Scripted]:
        with self._lock:
            return [one for one in self._scripted if one.kind == kind]

    def add(
        self, kind: Kind, namespace: str, document: Mapping[str, Any], times: int | None = None
    ) -> int:
        with self._lock:
            self._last_number += 1
            one = Scripted(self._last_number, kind, namespace, document, times)
            self._set([*self._scripted, one])
            return self._last_number

    def remove(self, kind: Kind, number: int) -> bool:
        with self._lock:
            left = [one for one in self._scripted if (one.kind, one.number) != (kind, number)]
            was_there = len(left) < len(self._scripted)
            self._set(left)
            return was_there

    def take(self, kind: Kind, namespace: str) -> Scripted | None:
        with self._lock:
            for place, one in enumerate(self._scripted):
                if one.kind == kind and one.namespace in ("", namespace):
                    if one.times is not None:
                        left = [replace(one, times=one.times - 1)] if one.times > 1 else []
                        self._set([*self._scripted[:place], *left, *self._scripted[place + 1 :]])
                    return one
            return None

    def count(self, namespace: str, counter: str) -> int:
        return self._counts[namespace, counter]

    def advance(self, namespace: str, counter: str, expected: int | None = None) -> bool:
        with self._lock:
            if expected is not None and self._counts[namespace, counter] != expected:
                return False
            self._counts[namespace, counter] += 1
            return True

    def spend(
        self, namespace: str, limit: str, amount: float, per_minute: int, now: float
    ) -> tuple[bool, float]:
        with self._lock:
            left, then = self._budgets.get((namespace, limit), (float(per_minute), now))
            left = min(left + max(now - then, 0.0) * per_minute / 60, float(per_minute))
            enough = amount <= left
            left -= amount if enough else 0.0
            self._budgets[namespace, limit] = left, now
            return enough, left

    def reset(self, namespace: str | None = None) -> None:
        def kept(one: str) -> bool:
            return namespace is not None and one != namespace

        with self._lock:
            self._set([one for one in self._scripted if kept(one.namespace)])
            self._counts = Counter({k: n for k, n in self._counts.items() if kept(k[0])})
            self._budgets = {k: b for k, b in self._budgets.items() if kept(k[0])}

    def _set(self, scripted: list[Scripted]) -> None:
        self._scripted = scripted
        self._version += 1
