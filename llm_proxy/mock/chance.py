"""Chance that repeats itself: numbers that the seed and the request decide, and nothing else."""

import hashlib
from typing import Any

import msgspec

from llm_proxy.core.chat_request import ChatRequest


def number_of(request: ChatRequest, seed: int) -> int:
    """A number from 0 to 2**64 - 1: the same for the same seeds and messages, in every process."""
    return _number(seed, request.seed, request.messages)


def share_of(*values: Any) -> float:
    """A number from 0 to below 1: the same for the same values, in every process."""
    return (_number(*values) >> 11) / 2**53  # as many bits as a float has


def _number(*values: Any) -> int:
    document = msgspec.json.encode(values)
    return int.from_bytes(hashlib.blake2b(document, digest_size=8).digest(), "big")
