"""Log probabilities: made up, but the same each time and consistent with the text.

A token is a piece of the text as it was streamed. Its probability depends on nothing but the
piece, so that a stream and a JSON answer agree.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

# fmt: off
_OTHERS = (
    "the", "a", "and", "of", "to", "in", "it", "is", "that", "for", "on", "with", "as", "this",
    "be", "at", "by", "or", "an", "not", "we", "can", "if",
)
# fmt: on


def token_logprob(token: str) -> float:
    """A natural logarithm between about -0.5 and 0: the token that was said was likely."""
    return round(math.log(1 - 0.4 * _share(token)), 6)


def alternatives(token: str, count: int) -> Iterator[tuple[str, float]]:
    """The `count` most likely tokens, the one that was said first, in falling order."""
    logprob = token_logprob(token)
    left = 1 - math.exp(logprob)
    yield token, logprob
    others = [other for other in _OTHERS if other != token.strip()]
    for other in others[: max(count - 1, 0)]:
        left /= 2
        yield other, round(math.log(max(left, 1e-9)), 6)


def chat_logprobs(tokens: Sequence[str], top: int) -> dict[str, Any]:
    """The `logprobs` object of a chat completion choice, for a text in `tokens`."""
    return {"content": [_entry(token, top) for token in tokens], "refusal": None}


def _entry(token: str, top: int) -> dict[str, Any]:
    return {
        **_one(token, token_logprob(token)),
        "top_logprobs": [_one(*other) for other in alternatives(token, top)][:top],
    }


def _one(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _share(token: str) -> float:
    digest = hashlib.blake2b(token.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
