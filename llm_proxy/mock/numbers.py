"""Numbers that satisfy what several schemas say of them."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from functools import reduce

from llm_proxy.mock.plausible import plausible_range
from llm_proxy.mock.schema_parts import NUMBERS, Parts, Unsatisfiable, each

FINE_STEPS = [Fraction(1, 10**digits) for digits in (2, 6, 20, 320)]
TRIES = 100


def number_for(parts: Parts, name: str, chance: random.Random, *, is_whole: bool) -> float:
    """A number within all bounds that is a multiple of all divisors; `name` says what is usual.

    Raises:
        Unsatisfiable: none was found.
    """
    divisors = each(parts, "multipleOf", *NUMBERS)
    exact = [*_exact(parts, "multipleOf"), *([Fraction(1)] if is_whole else [])]
    excluded = [*_exact(parts, "exclusiveMinimum"), *_exact(parts, "exclusiveMaximum")]
    for step in [reduce(_common_multiple, exact)] if exact else FINE_STEPS:
        for low, high in _ranges(parts, name, step):
            first, last = math.ceil(low / step), math.floor(high / step)
            for _ in range(TRIES if first <= last else 0):
                found = chance.randint(first, last) * step
                number = int(found) if found.denominator == 1 else float(found)
                if found not in excluded and all(_divides(one, number) for one in divisors):
                    return number
    raise Unsatisfiable


def _ranges(parts: Parts, name: str, step: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
    """Where to look for a number: what is usual and allowed, then what is allowed."""
    lows = [*_exact(parts, "minimum"), *_exact(parts, "exclusiveMinimum")]
    highs = [*_exact(parts, "maximum"), *_exact(parts, "exclusiveMaximum")]
    usual_low, usual_high = map(Fraction, plausible_range(name))
    yield max([usual_low, *lows]), min([usual_high, *highs])
    span = 100 * max(step, Fraction(1))
    low = max(lows) if lows else min(highs, default=span) - span
    yield low, min(highs, default=low + span)


def _exact(parts: Parts, keyword: str) -> list[Fraction]:
    return [Fraction(str(number)) for number in each(parts, keyword, *NUMBERS)]


def _common_multiple(one: Fraction, other: Fraction) -> Fraction:
    return Fraction(
        math.lcm(one.numerator, other.numerator), math.gcd(one.denominator, other.denominator)
    )


def _divides(divisor: float, number: float) -> bool:
    """Whether a validator that knows only floats will say so, too: 0.07 / 0.01 is not 7."""
    return not isinstance(divisor, float) or (number / divisor).is_integer()
