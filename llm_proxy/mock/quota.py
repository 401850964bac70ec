"""Quotas: how much may be asked of the mock in a minute, and what a client is told of it.

Source: OpenAI's guide "Rate limits"; Retry-After is RFC 9110, 10.2.3.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from llm_proxy.errors import DO_NOT_RETRY, RateLimited
from llm_proxy.limits import Unlimited
from llm_proxy.mock.latest import Latest
from llm_proxy.namespaces import namespace_of
from llm_proxy.openai_api.allowance import Left
from llm_proxy.openai_api.headers import rate_limit_headers
from llm_proxy.settings import MockSettings
from llm_proxy.state import Balance, Charge, Scripted, State

_SHORT = {"requests": "RPM", "tokens": "TPM"}


class Quota(Struct, frozen=True, kw_only=True):
    """The limits for each minute; 0 is none. Each quota that is set has an account of its own."""

    requests_per_minute: int
    tokens_per_minute: int
    account: int = 0

    def charges(self, tokens: int) -> list[Charge]:
        """What a request with so many tokens costs."""
        asked = (
            ("requests", 1, self.requests_per_minute),
            ("tokens", tokens, self.tokens_per_minute),
        )
        return [
            Charge(f"{name}/{self.account}", amount, per_minute)
            for name, amount, per_minute in asked
            if per_minute
        ]


class Quotas:
    """Counts the requests of each namespace, or API key, against what it may ask in a minute.

    Where there is no quota it tells what `Unlimited` does, and refuses nobody.
    """

    def __init__(
        self, settings: MockSettings, state: State, now: Callable[[], float] = time.time
    ) -> None:
        self._unlimited = Unlimited()
        self._usual = Quota(
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
        )
        self._state = state
        self._set = Latest(state, "quota", self._read)
        self._now = now

    def __call__(self, headers: Mapping[str, str], tokens: int) -> dict[str, str]:
        """Count a request of so many tokens; the headers that tell what is left.

        Raises:
            RateLimited: there is less left than it takes. It does not count, then.
        """
        namespace = namespace_of(headers)
        quota = self._set.holding(namespace) or self._usual
        if not (charges := quota.charges(tokens)):
            return self._unlimited(headers, tokens)
        if too_much := [charge for charge in charges if charge.amount > charge.per_minute]:
            raise _never(too_much[0])
        balances = self._state.spend(namespace, charges, self._now())
        told = _headers(charges, balances)
        if any(balance.wait_ms for balance in balances):
            raise _refused(charges, balances, told)
        return self._unlimited(headers, tokens) | told

    def _read(self, scripted: Scripted) -> Quota:
        asked = scripted.document
        return Quota(
            requests_per_minute=asked.get("requestsPerMinute", self._usual.requests_per_minute),
            tokens_per_minute=asked.get("tokensPerMinute", self._usual.tokens_per_minute),
            account=scripted.number,
        )


def _headers(charges: Sequence[Charge], balances: Sequence[Balance]) -> dict[str, str]:
    told: dict[str, str] = {}
    for charge, balance in zip(charges, balances, strict=True):
        missing = charge.per_minute - balance.left
        left = Left(charge.per_minute, int(balance.left), missing * 60 / charge.per_minute)
        told |= rate_limit_headers(_name(charge), left)
    return told


def _refused(
    charges: Sequence[Charge], balances: Sequence[Balance], told: Mapping[str, str]
) -> RateLimited:
    """Who comes back after the time that this tells finds enough, unless others were faster."""
    charge, balance = max(zip(charges, balances, strict=True), key=lambda pair: pair[1].wait_ms)
    name, wait_ms = _name(charge), balance.wait_ms
    used = charge.per_minute - int(balance.left)
    message = (
        f"Rate limit reached for {name} per min ({_SHORT[name]}): Limit {charge.per_minute}, "
        f"Used {used}, Requested {charge.amount}. Please try again in {_spelled(wait_ms)}."
    )
    retry = {"Retry-After": str(-(-wait_ms // 1000)), "retry-after-ms": str(wait_ms)}
    return RateLimited(message, limit=name, headers={**told, **retry})


def _never(charge: Charge) -> RateLimited:
    name = _name(charge)
    return RateLimited(
        f"Request too large on {name} per min ({_SHORT[name]}): Limit {charge.per_minute}, "
        f"Requested {charge.amount}. Waiting does not help; ask for less.",
        limit=name,
        headers=DO_NOT_RETRY,
    )


def _name(charge: Charge) -> str:
    return charge.limit.partition("/")[0]


def _spelled(wait_ms: int) -> str:
    return f"{wait_ms}ms" if wait_ms < 1000 else f"{wait_ms / 1000:g}s"
