"""Requests that were answered before, understood again from their path and their body."""

from collections.abc import Mapping, Sequence

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.errors import ProxyError
from llm_proxy.openai_api.strict.rules import objections
from llm_proxy.openai_api.surface import Surface
from llm_proxy.openai_api.surfaces import SURFACES

# The longest one first: /chat/completions ends in /completions.
_BY_LENGTH = sorted(SURFACES, key=lambda surface: len(surface.path), reverse=True)


def surface_of(path: str) -> Surface | None:
    """The surface that is served at a path, below whatever base."""
    asked = path.rstrip("/")
    return next((one for one in _BY_LENGTH if asked.endswith(one.path)), None)


def understood_again(
    models: Mapping[str, Sequence[str]], path: str, document: bytes
) -> tuple[ChatRequest, Sequence[ProxyError]] | None:
    """The request for a reply, and what OpenAI objects to in it; None if it was none.

    `models` are the ids that are listed below each base, such as `/mock/` or, last, `/`.
    """
    surface = surface_of(path)
    if surface is None:
        return None
    try:
        asked = surface.parse(document)
    except ProxyError:
        return None
    listed = next((ids for base, ids in models.items() if path.startswith(base)), ())
    return asked, list(objections(asked, listed))
