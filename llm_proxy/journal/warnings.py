"""Warnings: what a client asked for in vain, or would not have got away with at OpenAI."""

from collections.abc import Mapping, Sequence
from typing import Any

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.errors import ProxyError

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


Warnings = list[Mapping[str, Any]]


def warnings_of(
    asked: ChatRequest | None, objections: Sequence[ProxyError], origin: str
) -> Warnings:
    """The warnings of one exchange: `kind`, `param` and `message` of each.

    `refused`: OpenAI would have answered with this error, one of the `objections`. `unknown`:
    the field is none that the endpoint has. `ignored`: it is, and changed nothing.
    """
    refused = {objection.param for objection in objections}
    warnings: Warnings = [
        {"kind": "refused", "param": objection.param, "message": objection.message}
        for objection in objections
    ]
    if asked is None:
        return warnings
    warnings += [
        {"kind": "unknown", "param": name, "message": f"'{name}' is no field of this endpoint."}
        for name in asked.unknown
        if name not in refused
    ]
    if origin != ASKED_A_MODEL:
        warnings += [
            {"kind": "ignored", "param": name, "message": f"'{name}' changed nothing here."}
            for name in WITHOUT_EFFECT
            if asked.document.get(name) is not None
        ]
    return warnings
