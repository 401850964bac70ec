"""Causes: what lies below an exception of requests or urllib3, whose own words name the address."""

from collections.abc import Iterator


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it came of, what that came of …"""
    under: BaseException | None = error
    while under is not None:
        yield under
        under = under.__cause__ or under.__context__


def bottom(error: BaseException) -> BaseException:
    """What happened first."""
    return list(causes(error))[-1]


def cause_named(error: BaseException) -> str:
    """What happened first, in words that may be logged: no URL is among them."""
    first = bottom(error)
    reason = getattr(first, "strerror", None)
    return f"{type(first).__name__}: {reason}" if reason else type(first).__name__
