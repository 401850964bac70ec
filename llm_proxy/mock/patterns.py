r"""Patterns: text that matches a regular expression, and whether a text does.

They come from clients, so they are not left to `re.search`, which some keep busy for ever.
Instead all places that a match may have reached are followed at once; only single characters
are left to `re`. `spend` is told of the work, and may raise to end it. `\d`, `\w` and `\s`
mean ASCII, as they do in JavaScript.
"""

import random
import re
import string
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

MAX_PATTERN_CHARACTERS = 2_000
ASCII = string.printable[:95]
ALL_LETTERS = "".join(map(chr, range(0xA000)))
ALPHABETS = (string.ascii_lowercase, string.ascii_letters + string.digits, ASCII)
"""What to write where a pattern leaves the choice, from attempt to attempt."""
REPETITIONS = (2, 0, 4, 8, 16, 32, 64)
"""How often more than it must be to repeat a part, at most; from attempt to attempt."""

Steps = Sequence[tuple[str, Any]]
"""Parts of a pattern that follow on one another, each with its kind."""


@lru_cache(maxsize=256)
def parsed(source: str) -> Steps | None:
    """The steps of a pattern, or None if it is too long, has references or is no pattern."""
    if len(source) > MAX_PATTERN_CHARACTERS:
        return None
    try:
        # The parser of the standard library, which has had no public name since 3.11.
        tree = import_module("re._parser").parse(re.sub(r"\(\?<(?![=!])", "(?P<", source))
        return _steps(tree)
    except (re.error, RecursionError, OverflowError, Warning):
        return None


def _steps(nodes: Any) -> Steps:
    return [_step(op, detail) for op, detail in nodes]


def _step(op: Any, detail: Any) -> tuple[str, Any]:
    match op.name:
        case "SUBPATTERN":
            return "branches", [_steps(detail[-1])]
        case "BRANCH":
            return "branches", [_steps(branch) for branch in detail[1]]
        case "MAX_REPEAT" | "MIN_REPEAT":
            low, high, nodes = detail
            return "repeat", (low, high, _steps(nodes))
        case "ASSERT" | "ASSERT_NOT":
            direction, nodes = detail
            return "look", (op.name == "ASSERT", direction, _steps(nodes))
        case "AT" | "ANY" | "IN" | "LITERAL" | "NOT_LITERAL":
            parser, compiler = import_module("re._parser"), import_module("re._compiler")
            alone = parser.SubPattern(parser.State(), [(op, detail)])
            return "place" if op.name == "AT" else "character", compiler.compile(alone, re.ASCII)
        case _:
            raise re.error(f"{op.name} is not understood")


class Pattern:
    """A regular expression."""

    def __init__(self, steps: Steps, chance: random.Random, spend: Callable[[int], None]) -> None:
        self._steps = steps
        self._chance = chance
        self._spend = spend

    def is_found_in(self, text: str) -> bool:
        return bool(self._ends(self._steps, text, set(range(len(text) + 1))))

    def texts(self) -> Iterator[str]:
        """Texts that probably match, of various lengths; first those that are easy to read."""
        for more in REPETITIONS * 5:
            for alphabet in ALPHABETS:
                yield self._written(self._steps, more, alphabet)

    def _ends(self, steps: Steps, text: str, starts: set[int]) -> set[int]:
        """Where the matches end that begin at one of `starts`."""
        for kind, detail in steps:
            self._spend(1 + len(starts))
            match kind:
                case "branches":
                    starts = set().union(*(self._ends(one, text, starts) for one in detail))
                case "repeat":
                    starts = self._ends_of_many(text, starts, *detail)
                case "look":
                    starts = {start for start in starts if self._sees(text, start, *detail)}
                case _:
                    found = (detail.match(text, start) for start in starts)
                    starts = {match.end() for match in found if match}
        return starts

    def _ends_of_many(
        self, text: str, starts: set[int], low: int, high: int, steps: Steps
    ) -> set[int]:
        for _ in range(low):
            before, starts = starts, self._ends(steps, text, starts)
            if starts == before:
                break
        found = set(starts)
        for _ in range(high - low):
            starts = self._ends(steps, text, starts) - found
            if not starts:
                break
            found |= starts
        return found

    def _sees(self, text: str, place: int, wanted: bool, direction: int, steps: Steps) -> bool:
        """Whether a match begins at `place`, or with direction -1 ends there, as is `wanted`."""
        if direction > 0:
            return bool(self._ends(steps, text, {place})) == wanted
        return (place in self._ends(steps, text, set(range(place + 1)))) == wanted

    def _written(self, steps: Steps, more: int, alphabet: str) -> str:
        return "".join(self._written_step(*step, more, alphabet) for step in steps)

    def _written_step(self, kind: str, detail: Any, more: int, alphabet: str) -> str:
        self._spend(1)
        match kind:
            case "branches":
                return self._written(self._chance.choice(detail), more, alphabet)
            case "repeat":
                low, high, steps = detail
                times = self._chance.randint(low, min(high, low + more))
                self._spend(times)
                return "".join(self._written(steps, more, alphabet) for _ in range(times))
            case "character":
                return self._letter(detail, alphabet)
            case _:
                return ""

    def _letter(self, one: re.Pattern[str], alphabet: str) -> str:
        for letters in (alphabet, ASCII, ALL_LETTERS):
            self._spend(len(letters) // 20)
            if fitting := one.findall(letters):
                return str(self._chance.choice(fitting))
        return ""
