"""What is known of one route of the control API."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct


class Route(NamedTuple):
    """One path and method; `bodies` are the shapes of what it takes, `query` names parameters."""

    method: str
    path: str
    view: Callable[..., Any]
    summary: str
    bodies: tuple[type[Struct], ...] = ()
    query: tuple[str, ...] = ()
    answer: str = "application/json"

    @property
    def name(self) -> str:
        """Its name, which Flask wants to be without dots."""
        return f"{self.method} {self.path}".replace(".", "_")
