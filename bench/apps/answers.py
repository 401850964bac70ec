"""Answers: the JSON that the bare applications send, in the form of OpenAI's API."""

import os
from typing import Any

STAMP: dict[str, Any] = {"id": "chatcmpl-0", "created": 1_700_000_000, "model": "gpt-4o"}

TEXT = "Based on the context, I recommend this approach: keep the change small, and test it."

CHUNKS = int(os.environ.get("BENCH_CHUNKS", "200"))
WORD = "abc "


def reply(model: str) -> dict[str, Any]:
    """A chat completion."""
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    return STAMP | {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 21, "total_tokens": 26},
    }


def chunk(text: str, reason: str | None = None) -> dict[str, Any]:
    """A chat completion chunk."""
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return STAMP | {"object": "chat.completion.chunk", "choices": [choice]}
