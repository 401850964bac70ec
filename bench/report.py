"""The report: tables for people, JSON for programs, and which of the goals hold.

Pure: results in, text out.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bench.goals import Verdict
from bench.results import UNASKED, Figure, Results

MAX_REASON_CHARACTERS = 100


def tables(results: Results) -> Iterator[str]:
    """Lines with one table for each measure: medians, how far the samples go, and ratios."""
    for measure in dict.fromkeys((*results.figures, *results.skipped)):
        figures = results.figures.get(measure, {})
        unit = next((figure.unit for figure in figures.values()), "")
        yield ""
        yield f"{measure}, {unit}" if unit else measure
        yield from _rows(figures)
        for contender, reason in results.skipped.get(measure, {}).items():
            yield f"  {contender:28} {'-':>10}  {_short(reason)}"


def goals(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """One line for each goal that was asked for, then how many of all hold."""
    yield ""
    yield f"{'goal':44} {'measured':>10}  {'bound':>16}"
    for verdict in verdicts:
        if verdict.reason == UNASKED:
            continue
        goal = verdict.goal
        sign, bound = ("≤", goal.at_most) if goal.at_most is not None else ("≥", goal.at_least)
        measured = "-" if verdict.measured is None else _number(verdict.measured)
        outcome = {True: "holds", False: "DOES NOT HOLD", None: "not measured"}[verdict.holds]
        reason = f": {_short(verdict.reason)}" if verdict.reason else ""
        asked = f"{sign} {bound:g} {goal.unit}"
        yield f"{goal.name:44} {measured:>10}  {asked:>16}  {outcome}{reason}"
    counts = [sum(one.holds is outcome for one in verdicts) for outcome in (True, False, None)]
    yield ""
    yield "{} goals hold, {} do not, {} were not measured.".format(*counts)


def document(results: Results, verdicts: Sequence[Verdict], conditions: dict[str, Any]) -> bytes:
    """All of it as JSON, the samples included; `conditions` tell how it was measured."""
    whole = {"conditions": conditions, "goals": verdicts, **msgspec.structs.asdict(results)}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2)


def _rows(figures: dict[str, Figure]) -> Iterator[str]:
    ours = next((figures[name].median for name in figures if name.startswith("ours")), 0.0)
    for contender, figure in sorted(figures.items(), key=lambda item: item[1].median):
        low, high = _number(min(figure.samples)), _number(max(figure.samples))
        ratio = f"{figure.median / ours:8.2f} x ours" if ours > 0 else ""
        yield f"  {contender:28} {_number(figure.median):>10}  {low:>9} … {high:<9} {ratio}"


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _short(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= MAX_REASON_CHARACTERS else "…" + line[-MAX_REASON_CHARACTERS:]
