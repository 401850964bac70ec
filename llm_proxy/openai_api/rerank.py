"""Rerank: `POST /rerank`, as JSON. The scores themselves are passed in.

OpenAI has no such endpoint. The request is that of Cohere, Jina and Voyage; the answer has
the results under both names that their clients read: `results` (Cohere, Jina, vLLM) and
`data` (Continue's OpenAI adapter, Voyage).
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from llm_proxy.core.reply import Usage
from llm_proxy.core.tokenizers import Tokenizer
from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.decoding import decode_body


class Document(Struct):
    text: str


class RerankBody(Struct):
    """The fields we know. `top_k` is Voyage's name for `top_n`."""

    model: str
    query: str
    documents: Annotated[list[str | Document], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    top_k: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None


class RerankRequest(Struct, frozen=True):
    """Which documents are to be put in order, by which question, and how many are wanted."""

    model: str
    query: str
    documents: tuple[str, ...]
    top: int
    return_documents: bool | None

    def usage(self, tokenizer: Tokenizer) -> Usage:
        return Usage(tokenizer.count([self.query, *self.documents]), 0)


def parse(document: bytes) -> RerankRequest:
    """Decode the body of a rerank request.

    Raises:
        InvalidRequest: the body is not what the API takes; `param` names the field.
    """
    body, _ = decode_body(document, RerankBody, {})
    if not body.query.strip():
        raise InvalidRequest(
            "Invalid value for 'query': it cannot be empty.", param="query", code="invalid_value"
        )
    return RerankRequest(
        body.model,
        body.query,
        tuple(one if isinstance(one, str) else one.text for one in body.documents),
        body.top_n or body.top_k or len(body.documents),
        body.return_documents,
    )


def body(scores: Sequence[float], request: RerankRequest, number: str, usage: Usage) -> bytes:
    """The documents' indices and scores, from 0 to 1, the best first; equal ones in their order.

    The documents come back in `results` if they are asked for, and in `data` unless they are
    declined: Continue's Voyage client refuses an answer without them.
    """
    order = sorted(range(len(scores)), key=lambda index: -scores[index])[: request.top]
    best = [{"index": index, "relevance_score": scores[index]} for index in order]
    texts = [request.documents[index] for index in order]
    results: list[dict[str, Any]] = best
    data: list[dict[str, Any]] = best
    if request.return_documents:
        results = [
            {**one, "document": {"text": text}} for one, text in zip(best, texts, strict=True)
        ]
    if request.return_documents is not False:
        data = [{**one, "document": text} for one, text in zip(best, texts, strict=True)]
    tokens = usage.prompt_tokens
    return msgspec.json.encode(
        {
            "id": f"rerank-{number}",
            "object": "list",
            "model": request.model,
            "results": results,
            "data": data,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            "meta": {
                "api_version": {"version": "1"},
                "billed_units": {"search_units": 1},
            },
        }
    )
