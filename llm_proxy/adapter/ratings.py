"""Ratings: what users think of an answer, passed on to the search API that gave it."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from llm_proxy.adapter.account import Account
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.errors import InvalidRequest, UpstreamBusy, UpstreamDown, UpstreamError
from llm_proxy.openai_api.decoding import decode_body
from llm_proxy.settings import AdapterSettings


class Rating(Struct, frozen=True, kw_only=True):
    """What a client sends: `chat_id`, or the `id` of a reply; `model` tells who gave it."""

    rating: int
    chat_id: Annotated[str, Meta(min_length=1)] | None = None
    id: Annotated[str, Meta(min_length=1)] | None = None
    search_query: str = ""
    model: str = ""


class Ratings:
    """The places that ratings go to, by model. A model that is none of them is the first."""

    def __init__(self, upstreams: Mapping[str, tuple[AdapterSettings, Upstream]]) -> None:
        self._upstreams = upstreams
        self._first = next(iter(upstreams))

    def passed_on(self, document: bytes, account: Account) -> bytes:
        """The JSON document that the search API answers to the rating in `document`.

        What became of it is put down in `account`.

        Raises:
            InvalidRequest: the document is no rating; nothing is passed on.
            UpstreamError: the search API failed, or answered no JSON.
        """
        rating, _ = decode_body(document, Rating, {})
        chat_id = rating.chat_id or rating.id
        if chat_id is None:
            raise InvalidRequest(
                "Missing required parameter: 'chat_id'. The 'id' of a reply will do, too.",
                param="chat_id",
                code="missing_required_parameter",
            )
        model = rating.model if rating.model in self._upstreams else self._first
        settings, upstream = self._upstreams[model]
        told: dict[str, Any] = {
            "chat_id": chat_id,
            "search_query": rating.search_query,
            "rating": rating.rating,
        }
        try:
            return upstream.posted(rating_url(settings), msgspec.json.encode(told), account)
        except (UpstreamBusy, UpstreamDown):  # which is about the search API as a whole
            raise
        except UpstreamError as error:
            if settings.rating_url:  # not what questions are put to, of which messages speak
                error.message = error.message.replace("STREAM_URL", "STREAM_RATING_URL")
            raise


def rating_url(settings: AdapterSettings) -> str:
    """Where ratings go: as configured, else `/add_rating` at the host of the search API."""
    parts = urlsplit(settings.url)
    return settings.rating_url or f"{parts.scheme}://{parts.netloc}/add_rating"
