"""Paths into a request as it was sent: what stands at them, and where. Knows no field."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from llm_proxy.openai_api.strict.bounds import array, mapping

_STEP = re.compile(r"\w+|\[\]")


def at(document: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What stands at a path, each with its own; `[]` in it is any place in an array."""
    return _at(document, _STEP.findall(path), "")


def _at(value: Any, steps: Sequence[str], param: str) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield param, value
    elif steps[0] == "[]":
        for index, one in enumerate(array(value)):
            yield from _at(one, steps[1:], f"{param}[{index}]")
    elif steps[0] in mapping(value):
        yield from _at(value[steps[0]], steps[1:], f"{param}.{steps[0]}".removeprefix("."))
