"""Pages: the list object that every collection of the API answers with.

Source: API reference, "List": `after`, `limit` and `order` in the query; `object`, `data`,
`first_id`, `last_id` and `has_more` in the answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llm_proxy.errors import InvalidRequest

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


def page(items: Sequence[Mapping[str, Any]], query: Mapping[str, str], order: str = "asc") -> bytes:
    """The part of `items` that `query` asks for. They come in rising order; `order` is the default.

    Raises:
        InvalidRequest: the limit, the order or the place to begin is none.
    """
    order = query.get("order", order)
    if order not in ("asc", "desc"):
        raise InvalidRequest(
            f"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.",
            param="order",
            code="invalid_value",
        )
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch("[0-9]{1,3}", limit) or int(limit) > MAX_LIMIT:
        raise InvalidRequest(
            f"Invalid value for 'limit': expected an integer from 0 to {MAX_LIMIT}.",
            param="limit",
            code="invalid_value",
        )
    ordered = list(items) if order == "asc" else list(reversed(items))
    ids = [str(item["id"]) for item in ordered]
    start = 0
    if after := query.get("after"):
        if after not in ids:
            raise InvalidRequest(f"Nothing in this list has the id '{after}'.", param="after")
        start = ids.index(after) + 1
    found = ordered[start : start + int(limit)]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": found,
            "first_id": found[0]["id"] if found else None,
            "last_id": found[-1]["id"] if found else None,
            "has_more": start + len(found) < len(ordered),
        }
    )
