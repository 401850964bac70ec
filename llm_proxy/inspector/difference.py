"""How two texts differ, line by line."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MOST_LINES = 1_500
"""Of each text: with twice as many lines it takes four times as long, or worse."""


CONTEXT = 3
"""Lines that are shown around a difference; further ones that both have are left out."""


@dataclass(frozen=True)
class Line:
    """A line that both have, or only the one before or the one after; or lines left out (`…`)."""

    sign: Literal[" ", "-", "+", "…"]
    text: str


def difference(before: str, after: str) -> list[Line]:
    """Where the lines of both differ, in an order that keeps that of each; empty if nowhere."""
    if before == after:
        return []
    a, b = before.splitlines()[:MOST_LINES], after.splitlines()[:MOST_LINES]
    # Without `autojunk`, many equal lines (the brackets of JSON) take minutes.
    matcher = SequenceMatcher(None, a, b, autojunk=True)
    lines: list[Line] = []
    end = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        lines += _left_out(group[0][1] - end)
        for code in group:
            lines += _lines(code, a, b)
        end = group[-1][2]
    if max(len(a), len(b)) == MOST_LINES or not lines:
        return [*lines, Line("…", f"not compared: line ends, and what follows line {MOST_LINES:,}")]
    return lines + _left_out(len(a) - end)


def _lines(code: tuple[str, int, int, int, int], a: list[str], b: list[str]) -> list[Line]:
    tag, i, j, k, m = code
    if tag == "equal":
        return [Line(" ", text) for text in a[i:j]]
    return [*(Line("-", text) for text in a[i:j]), *(Line("+", text) for text in b[k:m])]


def _left_out(count: int) -> list[Line]:
    text = "1 line that both have" if count == 1 else f"{count} lines that both have"
    return [Line("…", text)] if count else []
