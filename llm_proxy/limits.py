"""Limits on what a client may ask: how a request is counted, and which headers tell of it."""

import time
from collections.abc import Mapping

from llm_proxy.openai_api.allowance import REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, Allowance
from llm_proxy.openai_api.headers import rate_limit_headers


class Unlimited:
    """Tells of OpenAI's usual limits, and refuses nobody."""

    def __init__(self) -> None:
        self._requests = Allowance(REQUESTS_PER_MINUTE)
        self._tokens = Allowance(TOKENS_PER_MINUTE)

    def __call__(self, headers: Mapping[str, str], tokens: int) -> dict[str, str]:  # noqa: ARG002
        """Count a request of so many tokens; the headers that tell what is left."""
        now = time.monotonic()
        requests = rate_limit_headers("requests", self._requests.take(1, now))
        return requests | rate_limit_headers("tokens", self._tokens.take(tokens, now))
