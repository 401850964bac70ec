"""Embeddings: `POST /embeddings`, as JSON. The vectors themselves are passed in.

Source of the shapes: API reference, "Create embeddings" and "The embedding object".
"""

import base64
import struct
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from llm_proxy.core.reply import Usage
from llm_proxy.core.tokenizers import Tokenizer
from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.decoder import Misunderstood, decoded, number
from llm_proxy.openai_api.decoding import decode_body
from llm_proxy.openai_api.inputs import Input, Item, count_tokens, inputs

MAX_INPUTS = 2048

DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""Length of a vector by model; the first two can be asked for shorter ones."""

DEFAULT_DIMENSIONS = 1536
MAX_DIMENSIONS = 4096
"""For models that OpenAI does not have."""

FIXED = {"text-embedding-ada-002"}

SUPPORTED = {"encoding_format": "'float' and 'base64'"}


class EmbeddingBody(Struct):
    """The fields we know, with the types that the API reference gives them."""

    model: str
    input: str | Annotated[list[Item], Meta(min_length=1, max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


class EmbeddingRequest(Struct, frozen=True):
    """What is to be embedded, into how many dimensions, and how the vectors are written."""

    model: str
    inputs: tuple[Input, ...]
    dimensions: int
    base64: bool

    def usage(self, tokenizer: Tokenizer) -> Usage:
        return Usage(sum(count_tokens(one, tokenizer) for one in self.inputs), 0)


def parse(document: bytes) -> EmbeddingRequest:
    """Decode the body of an embedding request.

    Raises:
        InvalidRequest: the body is not what the API takes; `param` names the field.
    """
    body, _ = decode_body(document, EmbeddingBody, SUPPORTED)
    given = inputs(body.input, "input")
    for index, one in enumerate(given):
        if not one:
            path = "input" if isinstance(body.input, str) else f"input[{index}]"
            raise InvalidRequest(
                f"Invalid value for '{path}': it cannot be an empty string.",
                param=path,
                code="invalid_value",
            )
    return EmbeddingRequest(body.model, given, _dimensions(body), body.encoding_format == "base64")


def _dimensions(body: EmbeddingBody) -> int:
    usual = DIMENSIONS.get(body.model, DEFAULT_DIMENSIONS)
    if body.dimensions is None:
        return usual
    if body.model in FIXED:
        raise InvalidRequest(
            f"The model {body.model!r} does not support 'dimensions': it has {usual}.",
            param="dimensions",
        )
    most = DIMENSIONS.get(body.model, MAX_DIMENSIONS)
    if body.dimensions > most:
        raise InvalidRequest(
            f"Invalid value for 'dimensions': expected an integer <= {most}, "
            f"but got {body.dimensions}.",
            param="dimensions",
            code="invalid_value",
        )
    return body.dimensions


def body(vectors: Iterable[Sequence[float]], request: EmbeddingRequest, usage: Usage) -> bytes:
    """The list object with one embedding object for each vector, in the order of the inputs."""
    tokens = usage.prompt_tokens
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [_embedding(index, vector, request) for index, vector in enumerate(vectors)],
            "model": request.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _embedding(index: int, vector: Sequence[float], request: EmbeddingRequest) -> dict[str, Any]:
    written = packed(vector) if request.base64 else vector
    return {"object": "embedding", "index": index, "embedding": written}


def packed(vector: Sequence[float]) -> str:
    """The vector in base64 (RFC 4648, 4), each number as a little-endian float of 32 bits."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


class WireEmbedding(Struct):
    embedding: list[float] | str
    index: int | None = None


class WireEmbeddings(Struct):
    data: list[WireEmbedding]
    model: str | None = None
    usage: dict[str, Any] | None = None


def vectors(document: bytes) -> tuple[list[list[float]], Usage | None]:
    """The vectors of a list object, in the order of the inputs, and the usage that it tells.

    Raises:
        Misunderstood: it is no such object.
        PassedOn: it tells of an error.
    """
    sent = decoded(document, WireEmbeddings)
    places = [place if one.index is None else one.index for place, one in enumerate(sent.data)]
    if sorted(places) != list(range(len(places))):
        raise Misunderstood("its embeddings are not numbered from 0")
    ordered = sorted(zip(places, sent.data, strict=True), key=lambda pair: pair[0])
    usage = Usage(number(sent.usage, "prompt_tokens"), 0) if sent.usage else None
    return [unpacked(one.embedding) for _, one in ordered], usage


def unpacked(written: Sequence[float] | str) -> list[float]:
    """The vector as numbers, however it was written.

    Raises:
        Misunderstood: it is neither an array of numbers nor base64 of floats of 32 bits.
    """
    if not isinstance(written, str):
        return list(written)
    try:
        packed_floats = base64.b64decode(written, validate=True)
        return list(struct.unpack(f"<{len(packed_floats) // 4}f", packed_floats))
    except (ValueError, struct.error):
        raise Misunderstood("an embedding is not base64 of floats of 32 bits") from None
