"""Profiles: named paces, and which models have which.

The figures are orders of magnitude as users of such models see them, not measurements of
any vendor's: a hosted model of its class answers about so fast on an ordinary day.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, get_args

from llm_proxy.mock.pacing import Pace
from llm_proxy.settings import MockSettings, ProfileName

PROFILES: Mapping[ProfileName, Pace] = {
    "": Pace(),
    "instant": Pace(),
    "fast": Pace(ttft_seconds=0.3, tokens_per_second=150, jitter=0.2),
    "standard": Pace(ttft_seconds=0.5, tokens_per_second=80, jitter=0.2),
    "large": Pace(ttft_seconds=1.0, tokens_per_second=40, jitter=0.2),
    "reasoning": Pace(ttft_seconds=5.0, tokens_per_second=100, jitter=0.3),
    "local": Pace(ttft_seconds=0.4, tokens_per_second=25, jitter=0.1),
}

NAMES = tuple(filter(None, get_args(ProfileName)))
"""What a user may name: each profile, and `auto`."""

BY_MODEL: Sequence[tuple[str, ProfileName]] = (
    ("*embedding*", "instant"),
    ("*-mini*", "fast"),
    ("*-nano*", "fast"),
    ("gpt-3.5*", "fast"),
    ("o[0-9]*", "reasoning"),
    ("gpt-5*", "reasoning"),
    ("gpt-4-*", "large"),
    ("gpt-4", "large"),
    ("*[0-9]b*", "local"),
    ("*", "standard"),
)
"""Globs of model ids, each with the profile of its models; the first that fits counts."""


def profile(name: ProfileName, model: str) -> Pace:
    """The pace that a profile has for a model; `auto` is the one of the model's class."""
    if name == "auto":
        name = next(named for glob, named in BY_MODEL if fnmatchcase(model, glob))
    return PROFILES[name]


def pace(
    settings: MockSettings, model: str, asked: Mapping[str, Any] = MappingProxyType({})
) -> Pace:
    """The pace of a reply: as `asked` at run time, else as the settings spell it out, else as
    the profile has it.

    `asked` may have `profile`, `ttftMs`, `tokensPerSecond` and `jitter`; a profile in it takes
    the place of all that the settings say.
    """
    if "profile" in asked:
        usual = profile(asked["profile"], model)
    else:
        named = profile(settings.profile, model)
        usual = Pace(
            ttft_seconds=settings.ttft_ms / 1000 or named.ttft_seconds,
            tokens_per_second=settings.tokens_per_second or named.tokens_per_second,
            jitter=settings.jitter or named.jitter,
        )
    if not asked:
        return usual
    return Pace(
        ttft_seconds=asked.get("ttftMs", usual.ttft_seconds * 1000) / 1000,
        tokens_per_second=asked.get("tokensPerSecond", usual.tokens_per_second),
        jitter=asked.get("jitter", usual.jitter),
    )
