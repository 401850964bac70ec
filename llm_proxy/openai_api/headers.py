"""The headers of OpenAI's answers beside the body.

Source: API reference, "Debugging requests", and the guide "Rate limits".
"""

from llm_proxy.openai_api.allowance import Left, spelled

VERSION = "2020-10-01"


def rate_limit_headers(name: str, left: Left) -> dict[str, str]:
    """What is left of the limit on `requests` or `tokens`."""
    return {
        f"x-ratelimit-limit-{name}": str(left.per_minute),
        f"x-ratelimit-remaining-{name}": str(left.remaining),
        f"x-ratelimit-reset-{name}": spelled(left.reset_seconds),
    }
