"""The Flask shell: one view for every surface, one renderer for every error, one log line.

The only Flask code beside the two blueprints. Knows no source and no JSON shape; both are
passed in.
"""

import hmac
import logging
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, cast

from flask import Blueprint, Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from llm_proxy import errors
from llm_proxy.clock import ClientClock
from llm_proxy.errors import ClientGone, InternalError, InvalidRequest, ProxyError
from llm_proxy.exchange import Exchange
from llm_proxy.logs import bodies_wanted, log_exchange
from llm_proxy.openai_api import models, sse
from llm_proxy.openai_api.errors import MEDIA_TYPE as JSON
from llm_proxy.openai_api.errors import error_body
from llm_proxy.openai_api.surface import Stamp, Surface
from llm_proxy.openai_api.surfaces import SURFACES
from llm_proxy.reply import Source, collect
from llm_proxy.settings import ServerSettings
from llm_proxy.streaming import EventStream, lived
from llm_proxy.tokens import metered

log = logging.getLogger(__name__)


def half(
    name: str, source: Source, model_ids: Sequence[str], settings: ServerSettings
) -> Blueprint:
    """A blueprint that serves every surface from `source`, and lists `model_ids`."""
    blueprint = Blueprint(name, __name__)
    for surface in SURFACES:
        view = _surface_view(surface, source, settings.keepalive_seconds)
        blueprint.add_url_rule(surface.path, surface.path.strip("/"), view, methods=["POST"])
    blueprint.add_url_rule("/models", "models", lambda: _json(models.models_body(model_ids)))
    blueprint.add_url_rule(
        "/models/<path:model>",
        "model",
        lambda model: _json(models.model_body(model, model_ids)),
    )
    return blueprint


def install(app: Flask, settings: ServerSettings) -> None:
    """Give `app` its health route, its keys, its error handlers and its request log."""
    app.url_map.strict_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.add_url_rule("/health", "health", lambda: _json(b'{"status":"ok"}'))
    app.before_request(_begin_exchange)
    if settings.api_keys:
        app.before_request(_key_check(settings.api_keys))
    app.after_request(_finish_exchange)
    app.register_error_handler(ProxyError, _render)
    app.register_error_handler(ClientGone, _answer_nobody)
    app.register_error_handler(HTTPException, _render_http)
    app.register_error_handler(Exception, _render_crash)


def _surface_view(
    surface: Surface, source: Source, silence_seconds: float
) -> Callable[[], Response]:
    def view() -> Response:
        exchange: Exchange = g.exchange
        document = request.get_data(cache=False)
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
        stream = EventStream(events, encoder, exchange, clock, silence_seconds)
        stream.look_ahead()
        return Response(
            cast(Any, stream),  # any iterable with a close() will do, as in PEP 3333
            mimetype=sse.MEDIA_TYPE,
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            direct_passthrough=True,
        )

    return view


def _connection() -> socket.socket | None:
    """The client's socket, where the server shows it."""
    environ = request.environ
    return environ.get("gunicorn.socket") or environ.get("werkzeug.socket")


def _begin_exchange() -> None:
    g.exchange = Exchange(
        method=request.method,
        path=request.path,
        tell=log_exchange,
        keep_bodies=bodies_wanted(),
    )


def _finish_exchange(response: Response) -> Response:
    exchange: Exchange = g.exchange
    exchange.status = response.status_code
    response.headers["x-request-id"] = exchange.id
    if not isinstance(response.response, EventStream):
        exchange.sent(response.get_data())
        response.call_on_close(exchange.end)
    return response


def _key_check(keys: Sequence[str]) -> Callable[[], None]:
    """A check that a request brings one of `keys` (RFC 6750, 2.1: Authorization: Bearer)."""
    known = [key.encode() for key in keys]

    def check() -> None:
        if request.path == "/health":
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Every key is compared, whichever fits: the time taken tells nothing.
        fits = [hmac.compare_digest(given.strip().encode(), key) for key in known]
        if scheme.lower() != "bearer" or not any(fits):
            raise errors.InvalidAPIKey(
                "This server asks for an API key: send one of LLM_PROXY_API_KEYS "
                "as 'Authorization: Bearer KEY'."
            )

    return check


def _json(document: bytes, status: int = 200) -> Response:
    return Response(document, status, mimetype=JSON)


def _render(error: ProxyError) -> Response:
    g.exchange.ended_by(error)
    response = _json(error_body(error), error.status)
    response.headers.update(error.headers)
    return response


def _render_http(error: HTTPException) -> Response:
    """The errors of Flask and Werkzeug, in OpenAI's shape."""
    method, path = request.method, request.path[:200]
    match error:
        case NotFound():
            return _render(
                errors.UnknownURL(
                    f"Invalid URL ({method} {path}). "
                    "The API is below /v1, /mock/v1 and /adapter/v1."
                )
            )
        case MethodNotAllowed():
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return _render(
                errors.MethodNotAllowed(
                    f"{method} is not allowed at {path}. Allowed are: {allowed}.", allowed=allowed
                )
            )
        case RequestEntityTooLarge():
            limit = current_app.config["MAX_CONTENT_LENGTH"]
            return _render(
                errors.BodyTooLarge(
                    f"The body of the request is larger than {limit} bytes, "
                    "the limit that LLM_PROXY_MAX_BODY_BYTES sets."
                )
            )
        case _ if (error.code or 500) < 500:
            return _render(InvalidRequest(error.description or error.name))
        case _:
            return _render_crash(error)


def _render_crash(error: Exception) -> Response:
    """Anything unforeseen: the traceback goes to the log, the request id to the client."""
    log.error("A request crashed, request id %s", g.exchange.id, exc_info=error)
    return _render(
        InternalError(
            "The server had an error while processing the request. "
            f"The request id is {g.exchange.id}."
        )
    )


def _answer_nobody(gone: ClientGone) -> Response:
    """The client has left; 499 is how nginx logs this."""
    g.exchange.ended_by(gone)
    return Response(status=499)
