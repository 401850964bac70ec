"""How two exchanges differ: every place where their JSON is not the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_proxy.journal.entry import Found

COMPARED = (
    "method",
    "path",
    "query",
    "namespace",
    "status",
    "outcome",
    "origin",
    "request",
    "warnings",
    "error",
    "reply",
    "promptTokens",
    "completionTokens",
)
"""What is compared. Ids, times and headers differ in any case."""

MAX_DIFFERENCES = 1_000


def differences(a: Found, b: Found) -> list[Mapping[str, Any]]:
    """Each difference: `path` (RFC 6901, JSON Pointer), and `a` and `b` where there is a value."""
    left, right = a.document(), b.document()
    found: list[Mapping[str, Any]] = []
    neither_kept = a.entry.is_too_long and b.entry.is_too_long
    for name in (*COMPARED, "requestDigest") if neither_kept else COMPARED:
        for difference in _compared(left[name], right[name], f"/{name}"):
            if len(found) == MAX_DIFFERENCES:
                return found
            found.append(difference)
    return found


def _compared(a: Any, b: Any, path: str) -> Iterator[Mapping[str, Any]]:
    match a, b:
        case dict(), dict():
            yield from _of_members(a, b, path)
        case list(), list():
            yield from _of_members(_numbered(a), _numbered(b), path)
        case _ if a != b or isinstance(a, bool) is not isinstance(b, bool):
            yield {"path": path, "a": a, "b": b}


def _of_members(a: Mapping[str, Any], b: Mapping[str, Any], path: str) -> Iterator[Any]:
    for name in dict.fromkeys((*a, *b)):
        below = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        if name in a and name in b:
            yield from _compared(a[name], b[name], below)
        else:
            side = "a" if name in a else "b"
            yield {"path": below, side: (a if name in a else b)[name]}


def _numbered(items: Sequence[Any]) -> dict[str, Any]:
    return {str(number): item for number, item in enumerate(items)}
