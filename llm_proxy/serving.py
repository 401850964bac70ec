"""One view for every surface: from the request of a client to the bytes of its answer.

Flask code, as are `edge` and the two blueprints. Knows no source and no JSON shape; both
are passed in.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, cast

import msgspec
from flask import Blueprint, Response, g, request
from msgspec.structs import replace
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from llm_proxy.bounds import bounded
from llm_proxy.clock import ClientClock
from llm_proxy.errors import BodyTooLarge, InvalidRequest
from llm_proxy.exchange import Exchange
from llm_proxy.folding import collect
from llm_proxy.openai_api import errors, models, sse
from llm_proxy.openai_api.resource import Call, Resource
from llm_proxy.openai_api.strict.rules import objections
from llm_proxy.openai_api.surface import Encoder, Stamp, Surface, signed
from llm_proxy.openai_api.surfaces import STORED_RESOURCES, SURFACES
from llm_proxy.prompts import replies
from llm_proxy.reply import ChatRequest, Event, Events, Source, Stamped, WireFault
from llm_proxy.settings import ServerSettings
from llm_proxy.store import Store, Stored
from llm_proxy.streaming import EventStream, FaultyDocument, lived, refuse_impossible
from llm_proxy.tokenizers import Tokenizer
from llm_proxy.tokens import count_prompt, metered

Limits = Callable[[Mapping[str, str], int], Mapping[str, str]]
"""Counts one request: from its headers and its tokens to the headers that tell what is left.

It may refuse the request by raising a `ProxyError`.
"""


def half(
    name: str,
    source: Source,
    settings: ServerSettings,
    resources: Sequence[Resource],
    *,
    model_ids: Sequence[str],
    tokenizer: Tokenizer,
    limits: Limits,
    dressed: Callable[[Resource], Resource] = lambda resource: resource,
    strict: bool = False,
) -> Blueprint:
    """A blueprint that serves every surface from `source`, and `resources` beside them.

    It lists `model_ids`. Every request is counted by `limits`. `dressed` may change what any
    resource answers. A `strict` half refuses what OpenAI refuses; another answers it, and
    the exchange can tell what OpenAI would have said.
    """
    blueprint = Blueprint(name, __name__)
    views = _Half(source, settings, Store(), model_ids, tokenizer, limits, strict)
    for surface in SURFACES:
        blueprint.add_url_rule(
            surface.path, f"POST {surface.path}", views.surface_view(surface), methods=["POST"]
        )
    listed = models.resources(model_ids, strict=strict)
    for resource in map(dressed, (*listed, *STORED_RESOURCES, *resources)):
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
        limits: Limits,
        strict: bool,
    ) -> None:
        self._source = source
        self._settings = settings
        self._store = store
        self._model_ids = model_ids
        self._tokenizer = tokenizer
        self._limits = limits
        self._strict = strict

    def surface_view(self, surface: Surface) -> Callable[[], Response]:
        """The view of one surface, streaming and not."""

        def view() -> Response:
            exchange: Exchange = g.exchange
            asked = self._understood(surface, exchange)
            prompt_tokens = count_prompt(asked, self._tokenizer)
            self._limit(asked.headers, prompt_tokens + (asked.max_tokens or 0))
            stamp = Stamp(secrets.token_hex(15), int(time.time()))
            events = exchange.noting(replies(self._source, asked))
            events = bounded(events, asked, self._tokenizer)
            events = metered(events, prompt_tokens, self._tokenizer)
            if asked.store:
                events = self._kept(events, surface, asked, stamp)
            clock = _clock()
            if not asked.stream:
                with closing(lived(events, clock)) as timely:
                    reply = collect(timely)
                exchange.usage, exchange.origin = reply.usage, reply.stamped.origin
                document = surface.body(reply, *signed(asked, stamp, reply.stamped))
                return _document(document, reply.fault, exchange, clock)

            def encoder(stamped: Stamped) -> Encoder:
                return surface.encoder(*signed(asked, stamp, stamped))

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
            headers = _headers()
            answer = resource.answer(
                Call(
                    store=self._store,
                    tokenizer=self._tokenizer,
                    names=names,
                    query=request.args,
                    headers=headers,
                    document=self._document(),
                )
            )
            exchange: Exchange = g.exchange
            exchange.model, exchange.usage = answer.model, answer.usage
            exchange.origin = answer.origin
            self._limit(headers, answer.usage.total_tokens if answer.usage else 0)
            clock = _clock()
            if answer.delay_seconds:
                clock.wait(answer.delay_seconds)
            return _document(answer.body, answer.fault, exchange, clock)

        return view

    def _understood(self, surface: Surface, exchange: Exchange) -> ChatRequest:
        """The request as the surface understands it, checked against what OpenAI refuses."""
        asked = replace(surface.parse(self._document()), headers=_headers())
        exchange.model, exchange.stream = asked.model, asked.stream
        exchange.objections = partial(objections, asked, self._model_ids)
        if self._strict and (found := exchange.objections()):
            raise found[0]
        if asked.previous is not None and surface.resumed is not None:
            stored = self._store.get(asked.endpoint, asked.previous)
            asked = surface.resumed(asked, stored)
        return asked

    def _limit(self, headers: Mapping[str, str], tokens: int) -> None:
        """Count a request of so many tokens, and have the answer tell what is left."""
        exchange: Exchange = g.exchange
        exchange.headers |= self._limits(headers, tokens)

    def _kept(self, events: Events, surface: Surface, asked: ChatRequest, stamp: Stamp) -> Events:
        """Put the reply into the store once it is complete."""
        seen: list[Event] = []
        with closing(events):
            for event in events:
                seen.append(event)
                yield event
        reply = collect(seen)
        written = surface.body(reply, *signed(asked, stamp, reply.stamped))
        document = msgspec.json.decode(written)
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


def _headers() -> dict[str, str]:
    """The headers of the request, their names in lower case (RFC 9110, 5.1: in any case)."""
    return {
        key[5:].replace("_", "-").lower(): value
        for key, value in request.environ.items()
        if key.startswith("HTTP_")
    }


def _clock() -> ClientClock:
    """A clock that watches the client's connection, where the server shows it."""
    environ = request.environ
    gunicorns = environ.get("gunicorn.socket")
    return ClientClock(gunicorns or environ.get("werkzeug.socket"), can_reset=gunicorns is not None)


def _document(
    document: bytes, fault: WireFault | None, exchange: Exchange, clock: ClientClock
) -> Response:
    """The response that is one JSON document, with what is to go wrong with it."""
    if fault is None:
        return Response(document, mimetype=errors.MEDIA_TYPE)
    refuse_impossible(fault, clock)
    faulty = FaultyDocument(document, fault, exchange, clock)
    response = Response(cast(Any, faulty), mimetype=errors.MEDIA_TYPE, direct_passthrough=True)
    if fault.kind in ("disconnect", "reset"):  # else the end of what is sent is its end
        response.content_length = len(document)
    return response
