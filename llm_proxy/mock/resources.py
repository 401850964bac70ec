"""The mock's moderations and reranking, which no conversation needs."""

import hashlib

from llm_proxy.mock.flags import scores
from llm_proxy.mock.vectors import similarity, vector
from llm_proxy.openai_api import moderations as moderation
from llm_proxy.openai_api import rerank as reranking
from llm_proxy.openai_api.resource import Answer, Call, Resource

RERANK_DIMENSIONS = 1536


def moderations(call: Call) -> Answer:
    """`POST /moderations`: scores and flags for each item.

    Raises:
        InvalidRequest: as `openai_api.moderations.parse` does.
    """
    asked = moderation.parse(call.document)
    body = moderation.body(map(scores, asked.items), asked, _number(call.document))
    return Answer(body=body, model=asked.model, usage=asked.usage(call.tokenizer))


def rerank(call: Call) -> Answer:
    """`POST /rerank`: the documents that are nearest to the query first.

    Raises:
        InvalidRequest: as `openai_api.rerank.parse` does.
    """
    asked = reranking.parse(call.document)
    query = vector(asked.query, RERANK_DIMENSIONS)
    near = [similarity(query, vector(text, RERANK_DIMENSIONS)) for text in asked.documents]
    shares = [round(min(max(score, 0.0), 1.0), 6) for score in near]
    usage = asked.usage(call.tokenizer)
    body = reranking.body(shares, asked, _number(call.document), usage)
    return Answer(body=body, model=asked.model, usage=usage)


def _number(document: bytes) -> str:
    """What makes an id: the same for the same request, in every process."""
    return hashlib.blake2b(document, digest_size=16).hexdigest()


RESOURCES = (
    Resource(
        "POST",
        "/moderations",
        moderations,
        metered=True,
        shape=moderation.ModerationBody,
        models=moderation.MODELS,
    ),
    Resource("POST", "/rerank", rerank, metered=True),
)
