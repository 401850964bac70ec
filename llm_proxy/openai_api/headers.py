"""The headers of OpenAI's answers beside the body.

Source: API reference, "Debugging requests", and the guide "Rate limits".
"""

from llm_proxy.allowance import Allowance, spelled

VERSION = "2020-10-01"


def rate_limit_headers(
    requests: Allowance, tokens: Allowance, asked_tokens: int, now: float
) -> dict[str, str]:
    """Count one request of `asked_tokens` at `now`, and tell what is left."""
    headers = {}
    for name, allowance, amount in (("requests", requests, 1), ("tokens", tokens, asked_tokens)):
        remaining, reset_seconds = allowance.take(amount, now)
        headers[f"x-ratelimit-limit-{name}"] = str(allowance.per_minute)
        headers[f"x-ratelimit-remaining-{name}"] = str(remaining)
        headers[f"x-ratelimit-reset-{name}"] = spelled(reset_seconds)
    return headers
