"""Vectors: texts as points, near to each other if they share words.

Each word, and each run of three letters in it, is hashed into one of the dimensions, with a
sign (feature hashing: Weinberger et al., 2009). No model and no arithmetic library; the same
text has the same vector in every process. Case and punctuation do not count.
"""

import math
import re
import struct
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from zlib import crc32

from llm_proxy.openai_api.inputs import Input

LETTERS_WEIGHT = 0.5
"""Weight of three letters in a row; a word weighs the square root of its length."""

_APOSTROPHES = re.compile("['\N{RIGHT SINGLE QUOTATION MARK}]")
_WORD = re.compile(r"[^\W_]+")
_SIGN = 1 << 31


def vector(given: Input, dimensions: int) -> list[float]:
    """The unit vector of one input; its numbers are exact as floats of 32 bits.

    An input in tokens has its tokens for words.
    """
    sums = [0.0] * dimensions
    for hashed, weight in _features(given):
        sums[(hashed & ~_SIGN) % dimensions] += weight if hashed & _SIGN else -weight
    length = math.hypot(*sums)
    if not length:  # Nothing but opposites, as may happen in a few dimensions.
        sums[crc32(repr(given).encode()) % dimensions] = length = 1.0
    return _single_precision([number / length for number in sums])


def similarity(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two unit vectors."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def plain_words(text: str) -> list[str]:
    """The words of a text without case and punctuation, in Unicode's form NFKC."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(_APOSTROPHES.sub("", folded))


def _features(given: Input) -> Iterator[tuple[int, float]]:
    """Hashes of 32 bits, each with its weight; one that comes again and again weighs less."""
    if not isinstance(given, str):
        for token, count in Counter(given).items():
            yield crc32(b"%d" % token), math.sqrt(count)
        return
    found = plain_words(given)
    if not found:
        yield crc32(given.encode()), 1.0
    for word, count in Counter(found).items():
        often = math.sqrt(count)
        yield crc32(word.encode()), often * math.sqrt(len(word))
        letters = f" {word} "
        for start in range(len(word)):
            yield crc32(letters[start : start + 3].encode()), often * LETTERS_WEIGHT


def _single_precision(numbers: list[float]) -> list[float]:
    form = f"<{len(numbers)}f"
    return list(struct.unpack(form, struct.pack(form, *numbers)))
