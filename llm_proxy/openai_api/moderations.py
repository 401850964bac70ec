"""Moderations: `POST /moderations`, as JSON. The scores themselves are passed in.

Source of the shapes: API reference, "Create moderation" and "The moderation object".
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from llm_proxy.core.reply import Usage
from llm_proxy.core.tokenizers import Tokenizer
from llm_proxy.core.tokens import TOKENS_PER_ATTACHMENT
from llm_proxy.openai_api.decoding import decode_body
from llm_proxy.openai_api.inputs import check_kind

DEFAULT_MODEL = "omni-moderation-latest"
MODELS = (
    DEFAULT_MODEL,
    "omni-moderation-2024-09-26",
    "text-moderation-latest",
    "text-moderation-stable",
)
"""API reference, "Create moderation", `model`."""

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

OF_IMAGES = frozenset(
    {
        "self-harm",
        "self-harm/instructions",
        "self-harm/intent",
        "sexual",
        "violence",
        "violence/graphic",
    }
)
"""The categories in which images are looked at too."""

THRESHOLD = 0.5
"""A category is flagged from this score on."""

SUPPORTED = {"input.type": "'text' and 'image_url'"}


class TextPart(Struct, tag_field="type", tag="text"):
    text: str


class ImageURL(Struct):
    url: str


class ImagePart(Struct, tag_field="type", tag="image_url"):
    image_url: ImageURL


class ModerationBody(Struct):
    """The fields we know, with the types that the API reference gives them."""

    input: str | Annotated[list[str | TextPart | ImagePart], Meta(min_length=1)]
    model: str | None = None


class Moderated(Struct, frozen=True, kw_only=True):
    """What one result is about: texts, and images by their URL."""

    texts: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    def applied(self, category: str) -> list[str]:
        """The kinds of input that were looked at for a category."""
        kinds = ["text"] if self.texts else []
        return [*kinds, "image"] if self.images and category in OF_IMAGES else kinds


class ModerationRequest(Struct, frozen=True):
    """Which model is to look at what; one result for each item."""

    model: str
    items: tuple[Moderated, ...]

    def usage(self, tokenizer: Tokenizer) -> Usage:
        """For our own accounts: the answer has no place for it, moderation is free."""
        texts = [text for item in self.items for text in item.texts]
        images = sum(len(item.images) for item in self.items)
        return Usage(tokenizer.count(texts) + images * TOKENS_PER_ATTACHMENT, 0)


def parse(document: bytes) -> ModerationRequest:
    """Decode the body of a moderation request.

    Each string of an array is an item of its own; the parts of an array are one item.

    Raises:
        InvalidRequest: the body is not what the API takes; `param` names the field.
    """
    body, _ = decode_body(document, ModerationBody, SUPPORTED)
    return ModerationRequest(body.model or DEFAULT_MODEL, _items(body.input))


def _items(sent: str | list[str | TextPart | ImagePart]) -> tuple[Moderated, ...]:
    if isinstance(sent, str):
        return (Moderated(texts=(sent,)),)
    check_kind(sent, "input")
    if isinstance(sent[0], str):
        return tuple(Moderated(texts=(text,)) for text in sent if isinstance(text, str))
    return (
        Moderated(
            texts=tuple(part.text for part in sent if isinstance(part, TextPart)),
            images=tuple(part.image_url.url for part in sent if isinstance(part, ImagePart)),
        ),
    )


def body(scores: Iterable[Mapping[str, float]], request: ModerationRequest, number: str) -> bytes:
    """The moderation object; `scores` has a mapping by category for each item."""
    return msgspec.json.encode(
        {
            "id": f"modr-{number}",
            "model": request.model,
            "results": [
                _result(item, scored) for item, scored in zip(request.items, scores, strict=True)
            ],
        }
    )


def _result(item: Moderated, scores: Mapping[str, float]) -> dict[str, Any]:
    flags = {category: scores[category] >= THRESHOLD for category in CATEGORIES}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": {category: scores[category] for category in CATEGORIES},
        "category_applied_input_types": {
            category: item.applied(category) for category in CATEGORIES
        },
    }
