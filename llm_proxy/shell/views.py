"""The views of one half: from the request of a client to the bytes of its answer.

One for every surface, another one for every resource. Knows no Flask, no source and no JSON
shape; the last two are passed in.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial

import msgspec
from msgspec.structs import replace

from llm_proxy.core.bounds import bounded
from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.folding import collect
from llm_proxy.core.prompts import replies
from llm_proxy.core.reply import AtHand, Event, Events, Source, Stamped, WireFault
from llm_proxy.core.tokenizers import Tokenizer
from llm_proxy.core.tokens import count_prompt, metered
from llm_proxy.namespaces import namespace_of
from llm_proxy.openai_api import errors, sse
from llm_proxy.openai_api.resource import Call, Resource
from llm_proxy.openai_api.strict.resources import unknown
from llm_proxy.openai_api.strict.rules import objections
from llm_proxy.openai_api.surface import Encoder, Stamp, Surface, signed
from llm_proxy.records.exchange import Exchange
from llm_proxy.records.ids import made_up
from llm_proxy.settings import ServerSettings
from llm_proxy.shell.clock import Clock
from llm_proxy.shell.front import View
from llm_proxy.shell.incoming import Incoming
from llm_proxy.shell.mishaps import DOCUMENT_KINDS
from llm_proxy.shell.outgoing import Outgoing
from llm_proxy.shell.pauses import waited
from llm_proxy.shell.pieces import FaultyDocument, refuse_impossible
from llm_proxy.shell.streaming import EventStream
from llm_proxy.store import Store, Stored

Limits = Callable[[Mapping[str, str], int], Mapping[str, str]]
"""Counts one request: from its headers and its tokens to the headers that tell what is left.

It may refuse the request by raising a `ProxyError`.
"""

ResourceView = Callable[[Incoming, Exchange, Mapping[str, str], Mapping[str, str]], Outgoing]
"""What answers a request of a resource; it also gets the names in the path, and the query."""


class Views:
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

    def of_surface(self, surface: Surface) -> View:
        """The view of one surface, streaming and not."""

        def view(incoming: Incoming, exchange: Exchange) -> Outgoing:
            asked = self._understood(surface, incoming, exchange)
            prompt_tokens = count_prompt(asked, self._tokenizer)
            self._limit(exchange, asked.headers, prompt_tokens + (asked.max_tokens or 0))
            stamp = Stamp(made_up(30), int(time.time()))

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
                with closing(waited(events, clock)) as timely:
                    reply = collect(timely)
                exchange.usage = reply.usage
                exchange.signed(reply.stamped)
                exchange.reasons += [choice.reason for choice in reply.choices]
                if exchange.trace is not None:
                    exchange.trace.reply = reply
                document = surface.body(reply, *signed(asked, stamp, reply.stamped))
                return _document(document, reply.fault, incoming, exchange, clock)

            def encoder(stamped: Stamped) -> Encoder:
                return surface.encoder(*signed(asked, stamp, stamped))

            silence = self._settings.keepalive_seconds
            stream = EventStream(events, encoder, exchange, clock, silence)
            stream.look_ahead()
            unheld = [("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")]
            return Outgoing(stream, sse.CONTENT_TYPE, headers=unheld)

        return view

    def of_resource(self, resource: Resource) -> ResourceView:
        """The view of one resource."""

        def view(
            incoming: Incoming,
            exchange: Exchange,
            names: Mapping[str, str],
            query: Mapping[str, str],
        ) -> Outgoing:
            headers = incoming.headers
            if not resource.metered:
                self._limit(exchange, headers, 0)
            document = self._document(incoming, exchange)
            if self._strict and resource.shape is not None:
                listed = (*self._model_ids, *resource.models)
                for objection in unknown(document, resource.shape, listed):
                    raise objection
            answer = resource.answer(
                Call(
                    store=self._store.of(namespace_of(headers)),
                    tokenizer=self._tokenizer,
                    names=names,
                    query=query,
                    headers=headers,
                    document=document,
                )
            )
            exchange.model, exchange.usage = answer.model, answer.usage
            exchange.origin = answer.origin
            exchange.notes += answer.notes
            if resource.metered:
                tokens = answer.usage.total_tokens if answer.usage else 0
                self._limit(exchange, headers, tokens)
            exchange.limited(answer.limits)
            clock = incoming.client_clock()
            if answer.delay_seconds:
                clock.wait(answer.delay_seconds)
            if answer.error is not None:
                raise answer.error
            return _document(answer.body, answer.fault, incoming, exchange, clock)

        return view

    def _understood(self, surface: Surface, incoming: Incoming, exchange: Exchange) -> ChatRequest:
        """The request as the surface understands it, checked against what OpenAI refuses."""
        document = self._document(incoming, exchange)
        asked = replace(surface.parse(document), headers=incoming.headers)
        exchange.asked = asked
        exchange.model, exchange.stream = asked.model, asked.stream
        exchange.objections = partial(objections, asked, self._model_ids)
        refers = asked.previous is not None or asked.references
        if surface.resumed is not None and refers:
            store = self._store.of(namespace_of(asked.headers))
            asked = surface.resumed(asked, partial(store.get, asked.endpoint))
            exchange.objections = partial(objections, asked, self._model_ids)
        if self._strict and (first := next(iter(exchange.objections()), None)):
            raise first
        return asked

    def _limit(self, exchange: Exchange, headers: Mapping[str, str], tokens: int) -> None:
        """Count a request of so many tokens, and have the answer tell what is left."""
        exchange.headers |= self._limits(headers, tokens)

    def _kept(self, events: Events, surface: Surface, asked: ChatRequest, stamp: Stamp) -> Events:
        """Put the reply into the store once it is complete."""
        seen: list[Event] = []
        with closing(events):
            for event in events:
                seen.append(event)
                if not isinstance(event, AtHand):  # the end of it waits for the store
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

    def _document(self, incoming: Incoming, exchange: Exchange) -> bytes:
        document = incoming.body(self._settings.max_body_bytes)
        exchange.request_body = document
        return document


def _document(
    document: bytes,
    fault: WireFault | None,
    incoming: Incoming,
    exchange: Exchange,
    clock: Clock,
) -> Outgoing:
    """The answer that is one JSON document, with what is to go wrong with it."""
    if fault is None or fault.kind not in DOCUMENT_KINDS or incoming.method == "HEAD":
        return Outgoing(document, errors.MEDIA_TYPE)
    refuse_impossible(fault, clock)
    faulty = Outgoing(FaultyDocument(document, fault, exchange, clock), errors.MEDIA_TYPE)
    if fault.kind not in ("truncate", "malformed"):  # their documents have another length
        faulty.headers.append(("Content-Length", str(len(document))))
    return faulty
