"""What is known of the state, read anew only when that has changed."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from llm_proxy.state import Kind, Scripted, State

Value = TypeVar("Value")


class Known(Generic[Value]):
    """What `read` makes of the state as it is now."""

    def __init__(self, state: State, read: Callable[[], Value]) -> None:
        self._state = state
        self._read = read
        self._known: tuple[int, Value] | None = None

    def __call__(self) -> Value:
        version = self._state.version()  # before what it belongs to: it may change in between
        known = self._known
        if known is None or known[0] != version:
            self._known = known = (version, self._read())
        return known[1]


class Latest(Generic[Value]):
    """The value that was set last, by namespace, of a kind of which only one can hold."""

    def __init__(self, state: State, kind: Kind, read: Callable[[Scripted], Value]) -> None:
        def values() -> Mapping[str, Value]:
            return {one.namespace: read(one) for one in state.scripted(kind)}

        self._values = Known(state, values)

    def holding(self, namespace: str) -> Value | None:
        """The value that was set for this namespace, or else the one that was set for all."""
        values = self._values()
        return values.get(namespace, values.get(""))
