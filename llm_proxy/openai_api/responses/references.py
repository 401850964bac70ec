"""References: items of stored responses that a request names in place of the items themselves.

Source of the rules: API reference, "Create a model response", `item_reference`. What becomes of
one that is unknown is told by errors that the API was seen to answer with.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llm_proxy.errors import NotStored
from llm_proxy.openai_api.responses.input import typed
from llm_proxy.openai_api.responses.long_form import input_items
from llm_proxy.store import Stored

Find = Callable[[str], Stored | None]
"""Finds a stored response by its id."""

_LONGEST_POSITION = 3
"""Digits of the position of an item, which stands behind the name of its response."""


def references(sent: object) -> tuple[str, ...]:
    """The ids of the items that the input of a request refers to."""
    items = map(typed, sent) if isinstance(sent, list) else ()
    return tuple(item["id"] for item in items if _is_reference(item))


def resolved(sent: Sequence[Any], find: Find) -> list[Any]:
    """The input of a request with the items themselves in the place of references.

    Raises:
        NotStored: one of them is of no response that is stored.
    """
    return [_found(item["id"], find) if _is_reference(typed(item)) else item for item in sent]


def _is_reference(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "item_reference"


def _found(name: str, find: Find) -> Any:
    for response in _responses(name):
        if (stored := find(response)) is not None:
            for item in (*stored.document.get("output", ()), *input_items(stored)):
                if item.get("id") == name:
                    return item
    raise NotStored(
        f"Item with id '{name}' not found. Items are not persisted when `store` is set to false. "
        "Try again with `store` set to true, or remove this item from your input.",
        param="input",
    )


def _responses(name: str) -> Iterator[str]:
    """The ids that the response may have which an item is of, by the name of the item."""
    _, _, whole = name.partition("_")
    asked = re.fullmatch(r"(.+)i\d+", whole)
    names = [asked[1]] if asked else []
    names += [whole[:-digits] for digits in range(1, _LONGEST_POSITION + 1)]
    for one in filter(None, names):
        yield from (f"resp_{one}", one)
