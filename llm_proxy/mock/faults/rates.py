"""Rates: which requests fail by chance, the same ones in each run."""

from collections.abc import Callable

from llm_proxy.core.reply import WireFault
from llm_proxy.mock.faults import Trouble
from llm_proxy.mock.faults.scripted import scripted_error
from llm_proxy.settings.chaos import Chaos


def by_chance(chaos: Chaos, chance: Callable[[str], float]) -> Trouble:
    """What happens to a request whose `chance` for each rate, by its name, is from 0 to below 1."""
    delay_seconds = chaos.latency_ms / 1000
    if chance("drop") < chaos.drop_rate:
        error = scripted_error(500, message="The request was dropped.", code="chaos_drop")
        return Trouble(delay_seconds=delay_seconds, error=error)
    if chance("malformed") < chaos.malformed_rate:
        return Trouble(delay_seconds=delay_seconds, wire=WireFault("malformed"))
    if chance("rateLimit") < chaos.rate_limit_rate:
        error = scripted_error(429, code="chaos_ratelimit")
        return Trouble(delay_seconds=delay_seconds, error=error)
    if chance("disconnect") < chaos.disconnect_rate:
        return Trouble(delay_seconds=delay_seconds, wire=WireFault("disconnect"))
    return Trouble(delay_seconds=delay_seconds)
