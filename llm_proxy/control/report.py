"""The report on what clients did about failures, as it is told: as JSON and in words."""

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from llm_proxy.control.conduct import Finding, findings
from llm_proxy.journal.entry import Found


class Report(Struct, frozen=True, kw_only=True, rename="camel"):
    """What was found in so many exchanges; `not_checked` are rules that this system cannot see."""

    ok: bool
    exchanges: int
    findings: Sequence[Finding]
    not_checked: Sequence[str] = ()


def report(exchanges: Sequence[Found], connections: Collection[str] | None) -> Report:
    """The report on `exchanges`; `connections` are those still open, None if nobody can tell."""
    found = findings(exchanges, connections or ())
    return Report(
        ok=not found,
        exchanges=len(exchanges),
        findings=found,
        not_checked=("left_open",) if connections is None else (),
    )


def lines(told: Report) -> Iterator[str]:
    """The report in words."""
    for finding in told.findings:
        yield f"{finding.rule}: {finding.message}"
        yield f"    by: {finding.source}"
        yield f"    see: {', '.join(finding.exchanges)}"
    for rule in told.not_checked:
        yield f"not checked: {rule}, which needs Linux"
    count = len(told.findings)
    yield f"{count} finding{'' if count == 1 else 's'} in {told.exchanges} exchanges"
