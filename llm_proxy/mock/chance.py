"""Chance that repeats itself: numbers that the seed and the request decide, and nothing else."""

import hashlib

import msgspec

from llm_proxy.reply import ChatRequest


def number_of(request: ChatRequest, seed: int) -> int:
    """A number from 0 to 2**64 - 1: the same for the same seeds and messages, in every process."""
    conversation = msgspec.json.encode((seed, request.seed, request.messages))
    return int.from_bytes(hashlib.blake2b(conversation, digest_size=8).digest(), "big")
