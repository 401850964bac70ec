"""How two texts differ, line by line."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MOST_LINES = 3_000
"""Of each text: what takes its time with lines takes four times as long with twice as many."""


@dataclass(frozen=True)
class Line:
    """A line that both have, or only the one before or the one after."""

    sign: Literal[" ", "-", "+"]
    text: str


def difference(before: str, after: str) -> list[Line]:
    """The lines of both, in an order that keeps that of each."""
    return list(_lines(before.splitlines()[:MOST_LINES], after.splitlines()[:MOST_LINES]))


def _lines(before: list[str], after: list[str]) -> Iterator[Line]:
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from (Line(" ", text) for text in before[a:b])
        else:
            yield from (Line("-", text) for text in before[a:b])
            yield from (Line("+", text) for text in after[c:d])
