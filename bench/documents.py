"""Documents: what is asked, and how long the answers are."""

import json
from typing import Any

PATH = "/v1/chat/completions"

CHUNKS = 200
PACED_CHUNKS = 100
INTERVAL_SECONDS = 0.02

_WORD = "abc "
"""Four characters with the white space behind: a token to our mock, so that its pace is even."""


def text(chunks: int) -> str:
    """A text that a mock cuts into so many chunks: by words, or by four characters."""
    return _WORD * chunks


def question(content: str = "Is this code good?", *, stream: bool = False, **fields: Any) -> bytes:
    """The body of a request with one message."""
    messages = [{"role": "user", "content": content}]
    document = {"model": "gpt-4o", "messages": messages, **fields}
    return json.dumps(document | {"stream": True} if stream else document).encode()
