"""One view for every surface: from the request of a client to the bytes of its answer.

Flask code, as are `edge` and the two blueprints. Knows no source and no JSON shape; both
are passed in.
"""

import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any, cast

import msgspec
from flask import Blueprint, Response, g, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from llm_proxy.allowance import Allowance
from llm_proxy.bounds import bounded
from llm_proxy.clock import ClientClock
from llm_proxy.errors import BodyTooLarge, InvalidRequest
from llm_proxy.exchange import Exchange
from llm_proxy.openai_api import errors, models, sse
from llm_proxy.openai_api.headers import rate_limit_headers
from llm_proxy.openai_api.resource import Call, Resource
from llm_proxy.openai_api.strict.rules import objections
from llm_proxy.openai_api.surface import Stamp, Surface
from llm_proxy.openai_api.surfaces import STORED_RESOURCES, SURFACES
from llm_proxy.prompts import replies
from llm_proxy.reply import ChatRequest, Event, Events, Source, collect
from llm_proxy.settings import ServerSettings
from llm_proxy.store import Store, Stored
from llm_proxy.streaming import EventStream, lived
from llm_proxy.tokenizers import Tokenizer
from llm_proxy.tokens import count_prompt, metered

REQUESTS_PER_MINUTE = 10_000
TOKENS_PER_MINUTE = 2_000_000
"""The limits that the rate-limit headers tell of. Nobody is refused for exceeding them."""


def half(
    name: str,
    source: Source,
    settings: ServerSettings,
    resources: Sequence[Resource],
    *,
    model_ids: Sequence[str],
    tokenizer: Tokenizer,
    strict: bool = False,
) -> Blueprint:
    """A blueprint that serves every surface from `source`, and `resources` beside them.

    It lists `model_ids`. A `strict` one refuses what OpenAI refuses; another answers it, and
    the exchange can tell what OpenAI would have said.
    """
    blueprint = Blueprint(name, __name__)
    views = _Half(source, settings, Store(), model_ids, tokenizer, strict)
    for surface in SURFACES:
        blueprint.add_url_rule(
            surface.path, f"POST {surface.path}", views.surface_view(surface), methods=["POST"]
        )
    for resource in (*models.resources(model_ids, strict=strict), *STORED_RESOURCES, *resources):
        blueprint.add_url_rule(
            resource.path,
            f"{resource.method} {resource.path}",
            views.resource_view(resource),
            methods=[resource.method],
        )
    return blueprint


class _Half:
    """What the views of one half share."""

    def __init__(
        self,
        source: Source,
        settings: ServerSettings,
        store: Store,
        model_ids: Sequence[str],
        tokenizer: Tokenizer,
        strict: bool,
    ) -> None:
        self._source = source
        self._settings = settings
        self._store = store
        self._model_ids = model_ids
        self._tokenizer = tokenizer
        self._strict = strict
        self._requests = Allowance(REQUESTS_PER_MINUTE)
        self._tokens = Allowance(TOKENS_PER_MINUTE)

    def surface_view(self, surface: Surface) -> Callable[[], Response]:
        """The view of one surface, streaming and not."""

        def view() -> Response:
            exchange: Exchange = g.exchange
            asked = self._understood(surface, exchange)
            prompt_tokens = count_prompt(asked, self._tokenizer)
            exchange.headers |= self._rate_limits(prompt_tokens + (asked.max_tokens or 0))
            stamp = Stamp(secrets.token_hex(15), int(time.time()))
            events = bounded(replies(self._source, asked), asked, self._tokenizer)
            events = metered(events, prompt_tokens, self._tokenizer)
            if asked.store:
                events = self._kept(events, surface, asked, stamp)
            clock = ClientClock(_connection())
            if not asked.stream:
                with closing(lived(events, clock)) as timely:
                    reply = collect(timely)
                exchange.usage = reply.usage
                return _json(surface.body(reply, asked, stamp))
            encoder = surface.encoder(asked, stamp)
            silence = self._settings.keepalive_seconds
            stream = EventStream(events, encoder, exchange, clock, silence)
            stream.look_ahead()
            return Response(
                cast(Any, stream),  # any iterable with a close() will do, as in PEP 3333
                mimetype=sse.MEDIA_TYPE,
                headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
                direct_passthrough=True,
            )

        return view

    def resource_view(self, resource: Resource) -> Callable[..., Response]:
        """The view of one resource."""

        def view(**names: str) -> Response:
            answer = resource.answer(
                Call(
                    store=self._store,
                    tokenizer=self._tokenizer,
                    names=names,
                    query=request.args,
                    document=self._document(),
                )
            )
            exchange: Exchange = g.exchange
            exchange.model, exchange.usage = answer.model, answer.usage
            exchange.headers |= self._rate_limits(answer.usage.total_tokens if answer.usage else 0)
            return _json(answer.body)

        return view

    def _understood(self, surface: Surface, exchange: Exchange) -> ChatRequest:
        """The request as the surface understands it, checked against what OpenAI refuses."""
        asked = surface.parse(self._document())
        exchange.model, exchange.stream = asked.model, asked.stream
        exchange.objections = partial(objections, asked, self._model_ids)
        if self._strict and (found := exchange.objections()):
            raise found[0]
        if asked.previous is not None and surface.resumed is not None:
            stored = self._store.get(asked.endpoint, asked.previous)
            asked = surface.resumed(asked, stored)
        return asked

    def _rate_limits(self, tokens: int) -> dict[str, str]:
        return rate_limit_headers(self._requests, self._tokens, tokens, time.monotonic())

    def _kept(self, events: Events, surface: Surface, asked: ChatRequest, stamp: Stamp) -> Events:
        """Put the reply into the store once it is complete."""
        seen: list[Event] = []
        with closing(events):
            for event in events:
                seen.append(event)
                yield event
        reply = collect(seen)
        document = msgspec.json.decode(surface.body(reply, asked, stamp))
        self._store.put(
            Stored(
                id=document["id"],
                endpoint=asked.endpoint,
                request=asked,
                document=document,
                reply=reply,
            )
        )

    def _document(self) -> bytes:
        document = _body(self._settings.max_body_bytes)
        if g.exchange.keep_bodies:
            g.exchange.request_body = document
        return document


def _body(max_bytes: int) -> bytes:
    """The body of the request.

    Raises:
        BodyTooLarge: it is longer than `max_bytes`.
        InvalidRequest: it ends too early, or its chunks are malformed.
    """
    # Werkzeug cuts a body without a Content-Length off at its limit, and says nothing. With
    # one byte more let in, a body that is too long is always seen to be.
    request.max_content_length = max_bytes + 1
    try:
        document = request.get_data(cache=False)
    except RequestEntityTooLarge:
        document = None
    except (ClientDisconnected, OSError):
        raise InvalidRequest("The body of the request did not arrive whole.") from None
    if document is None or len(document) > max_bytes:
        raise BodyTooLarge(
            f"The body of the request is larger than {max_bytes} bytes, "
            "the limit that LLM_PROXY_MAX_BODY_BYTES sets."
        )
    return document


def _connection() -> socket.socket | None:
    """The client's socket, where the server shows it."""
    environ = request.environ
    return environ.get("gunicorn.socket") or environ.get("werkzeug.socket")


def _json(document: bytes) -> Response:
    return Response(document, mimetype=errors.MEDIA_TYPE)
