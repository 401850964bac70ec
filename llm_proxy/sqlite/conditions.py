"""The conditions of a query for exchanges: which rows are wanted."""

import json
from typing import Any

from llm_proxy.journal.entry import Wanted
from llm_proxy.journal.texts import MAX_SHOWN

_SEARCHED = ("request", "sender", "details", "answered", "response")


def where(wanted: Wanted, limit: int | None = None) -> tuple[str, list[Any]]:
    """The condition that rows have to fulfil, and the values in it; of the last `limit` rows."""
    conditions: list[str] = []
    values: list[Any] = []

    def ask(condition: str, *given: Any) -> None:
        conditions.append(f"({condition})")
        values.extend(given)

    for name in ("namespace", "outcome"):
        if (value := getattr(wanted, name)) is not None:
            ask(f"{name} = ?", value)
    if wanted.model is not None:
        ask("model = ?", wanted.model[:MAX_SHOWN])
    if wanted.path is not None:
        ask("instr(path, ?)", wanted.path)
    if wanted.status is not None:
        low = int(wanted.status.replace("xx", "00"))
        ask("status BETWEEN ? AND ?", low, low + 99 if wanted.status.endswith("xx") else low)
    if wanted.text is not None:
        # As it may stand in JSON: as it is, with all but ASCII escaped, or also the slashes.
        forms = {json.dumps(wanted.text, ensure_ascii=only)[1:-1] for only in (True, False)}
        forms |= {form.replace("/", "\\/") for form in forms}
        patterns = [f"%{_escaped(form)}%" for form in sorted(forms)]
        told = [f"{name} LIKE ? ESCAPE '~'" for name in _SEARCHED for _ in patterns]
        ask(" OR ".join(told), *patterns * len(_SEARCHED))
    if limit is not None:
        ask("number > (SELECT max(number) FROM exchanges) - ?", limit)
    if wanted.before is not None:
        ask("number < (SELECT max(number) FROM exchanges WHERE id = ?)", wanted.before)
    if wanted.after is not None:
        ask("number > ?", wanted.after)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else "", values)


def _escaped(text: str) -> str:
    for special in "~%_":
        text = text.replace(special, f"~{special}")
    return text
