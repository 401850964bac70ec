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

from llm_proxy import incoming
from llm_proxy.bounds import bounded
from llm_proxy.clock import Clock
from llm_proxy.exchange import Exchange
from llm_proxy.folding import collect
from llm_proxy.mishaps import DOCUMENT_KINDS
from llm_proxy.namespaces import namespace_of
from llm_proxy.openai_api import errors, models, sse
from llm_proxy.openai_api.resource import Call, Resource
from llm_proxy.openai_api.strict.rules import objections
from llm_proxy.openai_api.surface import Encoder, Stamp, Surface, signed
from llm_proxy.openai_api.surfaces import STORED_RESOURCES, SURFACES
from llm_proxy.pieces import FaultyDocument, refuse_impossible
from llm_proxy.prompts import replies
from llm_proxy.reply import ChatRequest, Event, Events, Source, Stamped, WireFault
from llm_proxy.settings import ServerSettings
from llm_proxy.store import Store, Stored
from llm_proxy.streaming import EventStream, lived
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
    store: Store,
    model_ids: Sequence[str],
    tokenizer: Tokenizer,
    limits: Limits,
    dressed: Callable[[Resource], Resource] = lambda resource: resource,
    strict: bool = False,
) -> Blueprint:
    """A blueprint that serves every surface from `source`, and `resources` beside them.

    It lists `model_ids`, and keeps replies in `store`. Every request is counted by `limits`.
    `dressed` may change what any resource answers. A `strict` half refuses what OpenAI refuses;
    another answers it, and the exchange can tell what OpenAI would have said.
    """
    blueprint = Blueprint(name, __name__)
    views = _Half(source, settings, store, model_ids, tokenizer, limits, strict)
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

            def measured(events: Events, alone: ChatRequest) -> Events:
                """The reply to one prompt within its bounds, and counted."""
                events = bounded(events, alone, self._tokenizer)
                whole = alone is asked  # it is the only one, and has been counted
                tokens = prompt_tokens if whole else count_prompt(alone, self._tokenizer)
                return metered(events, tokens, self._tokenizer)

            events = exchange.noting(replies(self._source, asked, measured))
            if asked.store:
                events = self._kept(events, surface, asked, stamp)
            clock = incoming.client_clock()
            if not asked.stream:
                with closing(lived(events, clock, whole=True)) as timely:
                    reply = collect(timely)
                exchange.usage, exchange.origin = reply.usage, reply.stamped.origin
                exchange.signed_model = reply.stamped.model
                exchange.reasons += [choice.reason for choice in reply.choices]
                if exchange.trace is not None:
                    exchange.trace.reply = reply
                exchange.limited(reply.stamped.limits)
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
            headers = incoming.headers()
            if not resource.metered:
                self._limit(headers, 0)
            answer = resource.answer(
                Call(
                    store=self._store.of(namespace_of(headers)),
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
            exchange.notes += answer.notes
            if resource.metered:
                self._limit(headers, answer.usage.total_tokens if answer.usage else 0)
            exchange.limited(answer.limits)
            clock = incoming.client_clock()
            if answer.delay_seconds:
                clock.wait(answer.delay_seconds)
            if answer.error is not None:
                raise answer.error
            return _document(answer.body, answer.fault, exchange, clock)

        return view

    def _understood(self, surface: Surface, exchange: Exchange) -> ChatRequest:
        """The request as the surface understands it, checked against what OpenAI refuses."""
        asked = replace(surface.parse(self._document()), headers=incoming.headers())
        exchange.asked = asked
        exchange.model, exchange.stream = asked.model, asked.stream
        exchange.objections = partial(objections, asked, self._model_ids)
        if self._strict and (found := exchange.objections()):
            raise found[0]
        if asked.previous is not None and surface.resumed is not None:
            store = self._store.of(namespace_of(asked.headers))
            stored = store.get(asked.endpoint, asked.previous)
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
        self._store.of(namespace_of(asked.headers)).put(
            Stored(
                id=document["id"],
                endpoint=asked.endpoint,
                request=asked,
                document=document,
                reply=reply,
            )
        )

    def _document(self) -> bytes:
        document = incoming.body(self._settings.max_body_bytes)
        g.exchange.request_body = document
        return document


def _document(
    document: bytes, fault: WireFault | None, exchange: Exchange, clock: Clock
) -> Response:
    """The response that is one JSON document, with what is to go wrong with it."""
    if fault is None or fault.kind not in DOCUMENT_KINDS or request.method == "HEAD":
        return Response(document, mimetype=errors.MEDIA_TYPE)
    refuse_impossible(fault, clock)
    faulty = FaultyDocument(document, fault, exchange, clock)
    response = Response(cast(Any, faulty), mimetype=errors.MEDIA_TYPE, direct_passthrough=True)
    if fault.kind not in ("truncate", "malformed"):  # their documents have another length
        response.content_length = len(document)
    return response
