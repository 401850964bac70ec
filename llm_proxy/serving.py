"""One view for every surface: from the request of a client to the bytes of its answer.

Flask code, as are `edge` and the two blueprints. Knows no source and no JSON shape; both
are passed in.
"""

import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, cast

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from llm_proxy.clock import ClientClock
from llm_proxy.errors import BodyTooLarge
from llm_proxy.exchange import Exchange
from llm_proxy.openai_api import errors, models, sse
from llm_proxy.openai_api.surface import Stamp, Surface
from llm_proxy.openai_api.surfaces import SURFACES
from llm_proxy.reply import Source, collect
from llm_proxy.settings import ServerSettings
from llm_proxy.streaming import EventStream, lived
from llm_proxy.tokens import metered


def half(
    name: str, source: Source, model_ids: Sequence[str], settings: ServerSettings
) -> Blueprint:
    """A blueprint that serves every surface from `source`, and lists `model_ids`."""
    blueprint = Blueprint(name, __name__)
    for surface in SURFACES:
        view = _surface_view(surface, source, settings)
        blueprint.add_url_rule(surface.path, surface.path.strip("/"), view, methods=["POST"])
    blueprint.add_url_rule("/models", "models", lambda: _json(models.models_body(model_ids)))
    blueprint.add_url_rule(
        "/models/<path:model>",
        "model",
        lambda model: _json(models.model_body(model, model_ids)),
    )
    return blueprint


def _surface_view(
    surface: Surface, source: Source, settings: ServerSettings
) -> Callable[[], Response]:
    def view() -> Response:
        exchange: Exchange = g.exchange
        document = _document(settings.max_body_bytes)
        if exchange.keep_bodies:
            exchange.request_body = document
        asked = surface.parse(document)
        exchange.model, exchange.stream = asked.model, asked.stream
        stamp = Stamp(secrets.token_hex(15), int(time.time()))
        events = metered(source.reply(asked), asked)
        clock = ClientClock(_connection())
        if not asked.stream:
            with closing(lived(events, clock)) as timely:
                reply = collect(timely)
            exchange.usage = reply.usage
            return _json(surface.body(reply, asked, stamp))
        encoder = surface.encoder(asked, stamp)
        stream = EventStream(events, encoder, exchange, clock, settings.keepalive_seconds)
        stream.look_ahead()
        return Response(
            cast(Any, stream),  # any iterable with a close() will do, as in PEP 3333
            mimetype=sse.MEDIA_TYPE,
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            direct_passthrough=True,
        )

    return view


def _document(max_bytes: int) -> bytes:
    """The body of the request.

    Raises:
        BodyTooLarge: it is longer than `max_bytes`.
    """
    # Werkzeug cuts a body without a Content-Length off at its limit, and says nothing. With
    # one byte more let in, a body that is too long is always seen to be.
    request.max_content_length = max_bytes + 1
    try:
        document = request.get_data(cache=False)
    except RequestEntityTooLarge:
        document = None
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
