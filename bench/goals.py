"""The goals: which figures are to be reached, and whether they are.

Pure: results in, verdicts out. The measures are those that the scenarios write.
"""

from collections.abc import Iterator

from msgspec import Struct

from bench.results import Key, Results


class Goal(Struct, frozen=True, kw_only=True):
    """A figure, or its ratio to another one, is to be at most or at least so much."""

    name: str
    figure: Key
    over: Key | None = None
    at_most: float | None = None
    at_least: float | None = None
    unit: str = "x"


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a goal; `holds` is None where it could not be measured, with the reason."""

    goal: Goal
    measured: float | None
    holds: bool | None
    reason: str = ""


OURS = "ours"
GRANIAN = "ours, granian"
UNRECORDED = "ours, without records"

GOALS = (
    Goal(name="1 JSON reply ÷ bare WSGI, gunicorn", figure=("JSON reply", OURS),
         over=("JSON reply", "bare WSGI"), at_most=1.35),
    Goal(name="1 JSON reply, granian ÷ aimock", figure=("JSON reply", GRANIAN),
         over=("JSON reply", "aimock"), at_most=0.7),
    Goal(name="1 JSON reply, granian ÷ FastAPI", figure=("JSON reply", GRANIAN),
         over=("JSON reply", "FastAPI, uvicorn"), at_most=0.55),
    Goal(name="1 in process ÷ empty Flask route", figure=("In process", OURS),
         over=("In process", "empty Flask route"), at_most=1.25),
    Goal(name="2 unpaced stream ÷ aimock", figure=("Unpaced stream", OURS),
         over=("Unpaced stream", "aimock"), at_most=0.5),
    Goal(name="2 one write per chunk ÷ bare WSGI", figure=("One write per chunk", OURS),
         over=("One write per chunk", "bare WSGI"), at_most=1.15),
    Goal(name="3 250 streams, p99 lateness", figure=("250 streams: p99 lateness", OURS),
         at_most=20, unit="ms"),
    Goal(name="3 800 streams, whole ÷ nominal", figure=("800 streams: whole", OURS),
         at_most=1.03),
    Goal(name="3 1,000 streams, p99 lateness", figure=("1000 streams: p99 lateness", OURS),
         at_most=60, unit="ms"),
    Goal(name="3 two workers ÷ one", figure=("Two workers", OURS), at_least=1.8),
    Goal(name="4 adapter, JSON payloads", figure=("Adapter, JSON", OURS),
         at_most=40, unit="µs/event"),
    Goal(name="4 adapter, Python literals", figure=("Adapter, literals", OURS),
         at_most=55, unit="µs/event"),
    Goal(name="4 adapter ÷ Starlette + httpx-sse", figure=("Adapter, JSON", OURS),
         over=("Adapter, JSON", "Starlette + httpx-sse"), at_most=0.4),
    Goal(name="4 adapter ÷ LiteLLM", figure=("Adapter, JSON", OURS),
         over=("Adapter, JSON", "LiteLLM"), at_most=0.05),
    Goal(name="4 added latency, p50", figure=("Adapter: added p50", OURS),
         at_most=0.25, unit="ms"),
    Goal(name="4 added to the first event", figure=("Adapter: added to the first", OURS),
         at_most=2, unit="ms"),
    Goal(name="4 150 adapted streams, p99", figure=("150 adapted streams: p99", OURS),
         at_most=20, unit="ms"),
    Goal(name="5 idle worker", figure=("Memory: idle worker", OURS), at_most=70, unit="MiB"),
    Goal(name="5 open stream", figure=("Memory: open stream", OURS), at_most=60, unit="KiB"),
    Goal(name="5 growth over many requests", figure=("Memory: growth", OURS),
         at_most=1, unit="MiB"),
    Goal(name="5 start to first answer", figure=("Start", OURS), at_most=1.0, unit="s"),
    Goal(name="6 chunk of a long reply ÷ of a short one", figure=("Growth: long reply", OURS),
         over=("Growth: short reply", OURS), at_most=1.1),
    Goal(name="6 full journal ÷ empty", figure=("Growth: full journal", OURS),
         over=("Growth: empty journal", OURS), at_most=1.1),
    Goal(name="6 10,000 fixtures ÷ 10", figure=("Growth: 10000 fixtures", OURS),
         over=("Growth: 10 fixtures", OURS), at_most=1.5),
    Goal(name="6 request of 10 MB ÷ 10 of 1 MB", figure=("Growth: request of 10 MB", OURS),
         over=("Growth: 10 requests of 1 MB", OURS), at_most=1.2),
    Goal(name="records ÷ none, JSON reply", figure=("Records: JSON reply", OURS),
         over=("Records: JSON reply", UNRECORDED), at_most=1.15),
    Goal(name="records ÷ none, chunk in its own write", figure=("One write per chunk", OURS),
         over=("One write per chunk", UNRECORDED), at_most=1.05),
    Goal(name="records ÷ none, chunks sent together", figure=("Records: chunk", OURS),
         over=("Records: chunk", UNRECORDED), at_most=1.05),
)  # fmt: skip


def verdicts(results: Results) -> Iterator[Verdict]:
    """What became of each goal, in their order."""
    for goal in GOALS:
        yield verdict(goal, results)


def verdict(goal: Goal, results: Results) -> Verdict:
    """What became of one goal."""
    measured = results.value(goal.figure, goal.over)
    if measured is None:
        reason = results.why_not(goal.figure, goal.over)
        return Verdict(goal=goal, measured=None, holds=None, reason=reason)
    holds = (goal.at_most is None or measured <= goal.at_most) and (
        goal.at_least is None or measured >= goal.at_least
    )
    return Verdict(goal=goal, measured=measured, holds=holds)
