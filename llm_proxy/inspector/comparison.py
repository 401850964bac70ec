"""What the page shows of two exchanges: how the second differs from the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_proxy.inspector.difference import Line, difference
from llm_proxy.inspector.view import Opened, Row, opened


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two exchanges side by side; `times` differ without meaning much."""

    before: Row
    after: Row
    rows: Sequence[tuple[str, str, str]]
    times: Sequence[tuple[str, str, str]]
    request: Sequence[Line]
    reply: Sequence[Line]


def compared(before: Any, after: Any) -> Compared:
    """How the second of two `journal.entry.Found` differs from the first."""
    a, b = opened(before), opened(after)
    times = [
        ("First token", a.row.first, b.row.first),
        ("Duration", a.row.duration, b.row.duration),
    ]
    figures = [
        ("Ended", f"{a.row.status} {a.row.outcome}", f"{b.row.status} {b.row.outcome}"),
        ("Answered by", a.row.origin, b.row.origin),
        ("Model", a.row.model, b.row.model),
        ("Tokens", a.row.tokens, b.row.tokens),
        ("Events", str(before.entry.event_count), str(after.entry.event_count)),
        ("Warnings", str(a.row.warnings), str(b.row.warnings)),
    ]
    return Compared(
        before=a.row,
        after=b.row,
        rows=[row for row in figures if row[1] or row[2]],
        times=[row for row in times if row[1] or row[2]],
        request=difference(a.request, b.request),
        reply=difference(_reply_text(a), _reply_text(b)),
    )


def _reply_text(shown: Opened) -> str:
    told = [shown.error] if shown.error else []
    for choice in shown.choices:
        told += [choice.reasoning] if choice.reasoning else []
        for part in choice.parts:
            told.append(f"{part.label}({part.text})" if part.kind == "call" else part.text)
    return "\n".join(told)
