"""What holds now of a kind of which only one thing can hold: pacing, or a quota."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from llm_proxy.state import Kind, Scripted, State

Value = TypeVar("Value")


class Latest(Generic[Value]):
    """The value that was set last, by namespace; read anew only when the state has changed."""

    def __init__(self, state: State, kind: Kind, read: Callable[[Scripted], Value]) -> None:
        self._state = state
        self._kind = kind
        self._read = read
        self._known: tuple[int, Mapping[str, Value]] | None = None

    def holding(self, namespace: str) -> Value | None:
        """The value that was set for this namespace, or else the one that was set for all."""
        values = self._values()
        return values.get(namespace, values.get(""))

    def _values(self) -> Mapping[str, Value]:
        version = self._state.version()  # before what it belongs to: it may change in between
        known = self._known
        if known is None or known[0] != version:
            values = {one.namespace: self._read(one) for one in self._state.scripted(self._kind)}
            self._known = known = (version, values)
        return known[1]
