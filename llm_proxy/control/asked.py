"""Requests of the journal, understood again: what a surface makes of what was sent."""

import json

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.errors import NotServed, ProxyError
from llm_proxy.journal.entry import Found
from llm_proxy.openai_api import embeddings
from llm_proxy.openai_api.again import surface_of
from llm_proxy.openai_api.embeddings import EmbeddingRequest

EMBEDDINGS = "/embeddings"

HIDDEN, STAND_IN = "***", "\ue000"
"""What stands for a secret in the journal; and, while a fixture is made, for that."""


def refuse_unkept(found: Found) -> None:
    """See to it that it is known what was sent.

    Raises:
        NotServed: it was too long to be kept.
    """
    if found.entry.is_too_long:
        raise NotServed(
            f"The request had {found.entry.request_bytes} bytes, too long to be kept: of what it "
            "said nothing can be made."
        )


def sent(found: Found) -> str:
    """The body as it was sent; one that was no JSON stands in a string."""
    entry = found.entry
    request = bytes(entry.request)
    written = request.decode()
    if request.startswith(b'"') and len(request) != entry.request_bytes:
        return str(json.loads(written))
    return written


def chat_asked(found: Found, *, stand_in: str = HIDDEN) -> ChatRequest | None:
    """The request for a reply, if it was one; secrets are replaced by `stand_in`."""
    surface, sent = surface_of(found.entry.path), bytes(found.entry.request)
    if surface is None or found.entry.method != "POST":
        return None
    try:
        return surface.parse(sent.replace(HIDDEN.encode(), stand_in.encode()))
    except ProxyError:
        return None


def embeddings_asked(found: Found) -> EmbeddingRequest | None:
    """The request for embeddings, if it was one."""
    if not found.entry.path.endswith(EMBEDDINGS):
        return None
    try:
        return embeddings.parse(bytes(found.entry.request))
    except ProxyError:
        return None
