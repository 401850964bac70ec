"""Which exchanges a query asks for."""

import re
from collections.abc import Mapping
from typing import get_args

from llm_proxy.control.calls import limit_asked
from llm_proxy.errors import InvalidRequest
from llm_proxy.journal.entry import Wanted
from llm_proxy.records.exchange import Outcome

PARAMETERS = ("namespace", "path", "model", "status", "outcome", "text", "before", "limit", "brief")

_STATUS = re.compile(r"[1-5](?:\d\d|xx)")


def wanted(query: Mapping[str, str], namespace: str | None, most: int) -> Wanted:
    """What is wanted, of one namespace or of all; `most` at most.

    Raises:
        InvalidRequest: a parameter is unknown, or has a value that it cannot have.
    """
    for name in query:
        if name not in PARAMETERS:
            raise _invalid(name, f"There are: {', '.join(PARAMETERS)}.", "unknown_parameter")
    status, outcome = query.get("status"), query.get("outcome")
    if status is not None and not _STATUS.fullmatch(status):
        raise _invalid("status", f"{status!r} is neither a status nor a class of them as '4xx'.")
    if outcome is not None and outcome not in get_args(Outcome):
        raise _invalid("outcome", f"{outcome!r} is not one of: {', '.join(get_args(Outcome))}.")
    return Wanted(
        namespace=namespace,
        path=query.get("path"),
        model=query.get("model"),
        status=status,
        outcome=outcome,
        text=query.get("text"),
        before=query.get("before"),
        limit=limit_asked(query, most),
    )


def _invalid(name: str, why: str, code: str = "invalid_value") -> InvalidRequest:
    return InvalidRequest(f"Invalid parameter '{name}': {why}", param=name, code=code)
