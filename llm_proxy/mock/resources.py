"""The mock's resources: embeddings, moderations and reranking, which no conversation needs."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial

from llm_proxy.mock.fixtures.facts import NAMED, embedding_facts
from llm_proxy.mock.fixtures.fixture import Embedded, Failed
from llm_proxy.mock.fixtures.library import Fixtures
from llm_proxy.mock.flags import scores
from llm_proxy.mock.vectors import similarity, vector
from llm_proxy.openai_api import embeddings as embedding
from llm_proxy.openai_api import moderations as moderation
from llm_proxy.openai_api import rerank as reranking
from llm_proxy.openai_api.resource import Answer, Call, Resource

RERANK_DIMENSIONS = 1536


def embeddings(call: Call, fixtures: Fixtures | None = None) -> Answer:
    """`POST /embeddings`: one vector for each input, from a fixture or made up.

    Raises:
        InvalidRequest: as `openai_api.embeddings.parse` does.
        NoFixtureMatch: the request names a fixture that there is not.
        ScriptedError: a fixture says so.
    """
    asked = embedding.parse(call.document)
    vectors: Iterable[Sequence[float]] = (vector(one, asked.dimensions) for one in asked.inputs)
    origin = ""
    if fixtures is not None and (fixtures or NAMED in call.headers):
        match = fixtures.match(embedding_facts(asked, call.headers))
        if match is not None:
            origin = f"fixture {match.fixture.label}"
            match match.fixture.response:
                case Failed() as failed:
                    raise failed.error()
                case Embedded(written):
                    vectors = [written] * len(asked.inputs)
    usage = asked.usage(call.tokenizer)
    body = embedding.body(vectors, asked, usage)
    return Answer(body=body, model=asked.model, usage=usage, origin=origin)


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


def resources(fixtures: Fixtures | None = None) -> tuple[Resource, ...]:
    """The table of them; `fixtures` may have the vectors of some inputs."""
    return (
        Resource("POST", "/embeddings", partial(embeddings, fixtures=fixtures)),
        Resource("POST", "/moderations", moderations),
        Resource("POST", "/rerank", rerank),
    )
