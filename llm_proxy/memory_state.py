"""The state of a server that is one process: it lives in memory, and ends with the process."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from msgspec.structs import replace

from llm_proxy.state import Kind, Scripted


class MemoryState:
    """A `State` for the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._version = 0
        self._scripted: dict[int, Scripted] = {}
        self._counted: Counter[tuple[str, str]] = Counter()
        self._spent: dict[tuple[str, str], tuple[float, float]] = {}

    def version(self) -> int:
        return self._version

    def scripted(self, kind: Kind) -> Sequence[Scripted]:
        with self._lock:
            return [one for one in self._scripted.values() if one.kind == kind]

    def add(
        self, kind: Kind, namespace: str, document: Mapping[str, Any], times: int | None = None
    ) -> int:
        with self._lock:
            number = next(self._numbers)
            self._scripted[number] = Scripted(number, kind, namespace, document, times)
            self._version += 1
            return number

    def remove(self, kind: Kind, number: int) -> bool:
        with self._lock:
            found = number in self._scripted and self._scripted[number].kind == kind
            if found:
                del self._scripted[number]
                self._version += 1
            return found

    def take(self, kind: Kind, namespace: str) -> Scripted | None:
        with self._lock:
            for number, one in self._scripted.items():
                if one.kind == kind and one.namespace in ("", namespace):
                    if one.times is not None:
                        self._used(number, one.times - 1)
                    return one
            return None

    def _used(self, number: int, left: int) -> None:
        if left > 0:
            self._scripted[number] = replace(self._scripted[number], times=left)
        else:
            del self._scripted[number]
            self._version += 1

    def count(self, namespace: str, counter: str) -> int:
        with self._lock:
            return self._counted[namespace, counter]

    def advance(self, namespace: str, counter: str, expected: int | None = None) -> bool:
        with self._lock:
            if expected is not None and self._counted[namespace, counter] != expected:
                return False
            self._counted[namespace, counter] += 1
            return True

    def spend(
        self, namespace: str, limit: str, amount: float, per_minute: int, now: float
    ) -> tuple[bool, float]:
        with self._lock:
            left, at = self._spent.get((namespace, limit), (float(per_minute), now))
            left = min(left + max(now - at, 0.0) * per_minute / 60, per_minute)
            enough = amount <= left
            left -= amount if enough else 0.0
            self._spent[namespace, limit] = left, now
            return enough, left

    def reset(self, namespace: str | None = None) -> None:
        with self._lock:
            for number, one in list(self._scripted.items()):
                if namespace in (None, one.namespace):
                    del self._scripted[number]
            counters: tuple[dict[tuple[str, str], Any], ...] = (self._counted, self._spent)
            for counted in counters:
                for key in [key for key in counted if namespace in (None, key[0])]:
                    del counted[key]
            self._version += 1
