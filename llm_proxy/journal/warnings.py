"""Warnings: what a client asked for in vain, or would not have got away with at OpenAI."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.errors import ProxyError
from llm_proxy.journal.redacted import shortened

WITHOUT_EFFECT = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "reasoning_effort",
    "verbosity",
    "prediction",
    "modalities",
    "audio",
)
"""Fields that change what a model says; here there is none. Only a recorded one has it."""

ASKED_A_MODEL = "recorded"
"""The origin of replies that a model gave, which was passed the whole request."""


MAX_WARNINGS = 100
"""So many are told of one exchange: a request may have any number of unknown fields."""

MAX_MESSAGE = 1024
"""Characters of a message, and of a field's name: the client may have made it up."""

Told = Mapping[str, str | None]


class Warnings(NamedTuple):
    """The first warnings of an exchange, and how many there are in all."""

    told: Sequence[Told]
    in_all: int


def warnings_of(
    asked: ChatRequest | None,
    objections: Iterable[ProxyError],
    origin: str,
    redacted: Callable[[str], str],
) -> Warnings:
    """The warnings of one exchange: `kind`, `param` and `message` of each.

    `refused`: OpenAI would have answered with this error, one of the `objections`. `unknown`:
    the field is none that the endpoint has. `ignored`: it is, and changed nothing. Out of a text
    that is cut secrets are taken by `redacted`.
    """
    found = _found(asked, objections, origin)
    told = [
        {
            "kind": kind,
            "param": param and shortened(param, MAX_MESSAGE, redacted),
            "message": shortened(message, MAX_MESSAGE, redacted),
        }
        for kind, param, message in islice(found, MAX_WARNINGS)
    ]
    return Warnings(told, len(told) + sum(1 for _ in found))


def _found(
    asked: ChatRequest | None, objections: Iterable[ProxyError], origin: str
) -> Iterator[tuple[str, str | None, str]]:
    refused: set[str | None] = set()
    for objection in objections:
        refused.add(objection.param)
        yield "refused", objection.param, objection.message
    if asked is None:
        return
    for name in asked.unknown:
        if name not in refused:
            yield "unknown", name, f"'{name}' is no field of this endpoint."
    if origin != ASKED_A_MODEL:
        for name in WITHOUT_EFFECT:
            if asked.document.get(name) is not None:
                yield "ignored", name, f"'{name}' changed nothing here."
