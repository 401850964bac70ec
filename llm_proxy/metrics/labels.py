"""Labels: what a client names, kept to a number of values that a database of metrics can bear.

Every value of a label is a time series of its own, for as long as the server runs.
"""

from collections.abc import Callable, Iterable

from llm_proxy.records.exchange import Exchange

MAX_VALUES = 100
MAX_CHARACTERS = 100

OTHER = "other"
"""Stands for all values that there is no room for."""

UNMATCHED = "unmatched"
"""The route of what no route fits."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Bounded:
    """The first `MAX_VALUES` values as they are, the `known` ones among them; then `OTHER`.

    One that is too long to be a name is `OTHER`, too. `redacted` takes secrets out.
    """

    def __init__(self, known: Iterable[str], redacted: Callable[[str], str]) -> None:
        self._redacted = redacted
        self._labels: dict[str, str] = {}
        for value in ("", *known):
            self(value)

    def __call__(self, value: str) -> str:
        """The label for a value."""
        label = self._labels.get(value)
        if label is not None:
            return label
        if len(self._labels) > MAX_VALUES or len(value) > MAX_CHARACTERS:
            return OTHER
        return self._labels.setdefault(value, self._redacted(value))


def route(exchange: Exchange) -> str:
    """The rule of the URL that fits: there are only so many."""
    return exchange.route or UNMATCHED


def method(exchange: Exchange) -> str:
    """The method, if it is one that HTTP servers know."""
    return exchange.method if exchange.method in _METHODS else OTHER


def status_class(status: object) -> str:
    """`2xx` and the like; `none` where there was no answer."""
    return f"{status // 100}xx" if isinstance(status, int) else "none"
