"""Flags: what the mock takes for harmful, which is nothing unless it is told so.

A category is flagged by a marker in the text, `[flag:violence]`, or by one of a few phrases
that examples use. A marker in the URL of an image flags it in the categories for images.
"""

import hashlib
import re

from llm_proxy.mock.vectors import plain_words
from llm_proxy.openai_api.moderations import CATEGORIES, OF_IMAGES, Moderated

PHRASES = {
    "harassment": ("you are worthless",),
    "harassment/threatening": ("i will hurt you",),
    "illicit": ("how to shoplift",),
    "illicit/violent": ("how to build a bomb",),
    "self-harm": ("i want to hurt myself",),
    "self-harm/intent": ("i want to hurt myself",),
    "violence": ("i want to kill them", "i will kill you", "i will hurt you"),
}
"""Whole phrases, in lower case and without punctuation, that flag a category."""

_MARKER = re.compile(r"\[flag:([^\]]*)\]")


def scores(item: Moderated) -> dict[str, float]:
    """A score from 0 to 1 for each category: over 0.9 where it is flagged, else under 0.001.

    Where nothing was looked at (a category of texts, an image alone) it is 0.
    """
    flagged = _flagged(item)
    content = hashlib.blake2b(repr((item.texts, item.images)).encode()).digest()
    return {
        category: _score(category in flagged, category, content) if item.applied(category) else 0.0
        for category in CATEGORIES
    }


def _flagged(item: Moderated) -> set[str]:
    found: set[str] = set()
    for text in item.texts:
        found.update(_MARKER.findall(text))
        words = f" {' '.join(plain_words(text))} "
        for category, phrases in PHRASES.items():
            if any(f" {phrase} " in words for phrase in phrases):
                found.add(category)
    for url in item.images:
        found |= OF_IMAGES.intersection(_MARKER.findall(url))
    return found


def _score(flagged: bool, category: str, content: bytes) -> float:
    digest = hashlib.blake2b(category.encode(), key=content, digest_size=4).digest()
    share = int.from_bytes(digest, "big") / 2**32
    return round(0.9 + 0.1 * share if flagged else 0.001 * share, 6)
