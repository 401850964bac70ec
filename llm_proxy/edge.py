"""What surrounds every request, wherever it goes: its id, its key, its errors, its records.

Flask code, as are `serving` and the two blueprints. Knows no route but `/health`.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from llm_proxy import browsers, cors, errors, incoming
from llm_proxy.errors import ClientGone, InternalError, InvalidRequest, ProxyError
from llm_proxy.exchange import Exchange, Observer, Traces
from llm_proxy.journal.entry import Journal
from llm_proxy.keys import Keys
from llm_proxy.logs import bodies_wanted, log_exchange
from llm_proxy.namespaces import bearer_key, namespace_of
from llm_proxy.openai_api import errors as error_shape
from llm_proxy.openai_api import headers
from llm_proxy.pieces import AnswerInPieces
from llm_proxy.settings import ServerSettings
from llm_proxy.trace import MAX_ANSWER_BYTES, Trace

log = logging.getLogger(__name__)

MAX_DRAINED_BYTES = 64 * 1024 * 1024
"""What is read of a body that is refused; a client that sends more sees a broken connection."""


def install(
    app: Flask,
    settings: ServerSettings,
    keys: Keys,
    journal: Journal | None = None,
    journaled: tuple[str, ...] = (),
    observers: tuple[Observer, ...] = (),
    traces: Traces | None = None,
) -> None:
    """Give `app` its health route, CORS, its error handlers and its request log.

    Where keys are asked for, they are `keys`. What is asked below the paths in `journaled` also
    goes into the journal, and into `traces` if there are any. The `observers` are told of every
    exchange.
    """
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # else //v1 is redirected, with a page in HTML
    app.add_url_rule(
        "/health", "health", lambda: Response(b'{"status":"ok"}', mimetype=error_shape.MEDIA_TYPE)
    )
    app.before_request(_begin_exchange(observers))
    if journal is not None:
        app.before_request(_journaling(journal, journaled))
    cors.install(app, settings.cors_origins)
    if traces is not None:
        app.before_request(_tracing(traces, journaled))
    if settings.asks_for_keys:
        app.before_request(_key_check(keys))
    app.after_request(_finish_exchange)
    app.register_error_handler(ProxyError, _render)
    app.register_error_handler(ClientGone, _answer_nobody)
    app.register_error_handler(HTTPException, _render_http)
    app.register_error_handler(Exception, _render_crash)


def _begin_exchange(observers: tuple[Observer, ...]) -> Callable[[], None]:
    def begin() -> None:
        rule = request.url_rule
        g.exchange = Exchange(
            method=request.method,
            path=request.path,
            route="" if rule is None else rule.rule,
            tell=log_exchange,
            observers=observers,
            keep_bodies=bodies_wanted(),
        )

    return begin


def _journaling(journal: Journal, journaled: tuple[str, ...]) -> Callable[[], None]:
    def begin() -> None:
        if request.path.startswith(journaled):
            headers = incoming.headers()
            g.exchange.record = journal.record
            g.exchange.namespace = namespace_of(headers)
            g.exchange.keep_bytes = MAX_ANSWER_BYTES
            g.exchange.trace = Trace(headers, incoming.query(), incoming.peer())

    return begin


def _tracing(traces: Traces, journaled: tuple[str, ...]) -> Callable[[], None]:
    def begin() -> None:
        if request.path.startswith(journaled):
            observer, headers = traces.begun(g.exchange, incoming.headers())
            g.exchange.observers += (observer,)
            incoming.replace_headers(headers)

    return begin


def _finish_exchange(response: Response) -> Response:
    exchange: Exchange = g.exchange
    exchange.status = response.status_code
    response.headers["x-request-id"] = exchange.id
    response.headers["openai-version"] = headers.VERSION
    response.headers["openai-processing-ms"] = str(round(exchange.elapsed_seconds() * 1000))
    for name, value in exchange.headers.items():
        response.headers.setdefault(name, value)  # an error may know better what is left
    if exchange.trace is not None:
        exchange.trace.answer_headers = response.headers.items()
    if not isinstance(response.response, AnswerInPieces):
        document = b"" if request.method == "HEAD" else response.get_data()
        exchange.said(exchange.sent(document))
        exchange.ending(exchange.outcome)
        response.call_on_close(exchange.end)
    if response.status_code >= 400:
        _drain(request.environ)
    return response


def _drain(environ: Mapping[str, Any]) -> None:
    """Take in what is left of the body of a refused request.

    gunicorn closes a connection with more than a little left, which resets it under a client
    that is still writing: it would see a broken connection instead of our error.
    """
    if environ.get("wsgi.input_terminated"):  # else reading on would wait for the next request
        left = MAX_DRAINED_BYTES
        with suppress(OSError):  # chunks that are malformed, or a client that has left
            while left > 0 and (piece := environ["wsgi.input"].read(65536)):
                left -= len(piece)


def _key_check(keys: Keys) -> Callable[[], None]:
    """A check that a request brings one of `keys`.

    As a Bearer token (RFC 6750, 2.1), or, as no browser sends one by itself, as the password
    that its user was asked for.
    """

    def check() -> None:
        if request.endpoint == "health":
            return
        headers = incoming.headers()
        given = bearer_key(headers) or browsers.password(headers)
        if not keys.hold(given):
            wrong = "The API key is none that this server knows" if given else "No API key came"
            error = errors.InvalidAPIKey(
                f"{wrong}: send one of LLM_PROXY_API_KEYS as 'Authorization: Bearer KEY'."
            )
            if browsers.can_ask(headers):
                error.headers = {"WWW-Authenticate": browsers.CHALLENGE}
            raise error

    return check


def _render(error: ProxyError) -> Response:
    g.exchange.ended_by(error)
    response = Response(
        error_shape.error_body(error), error.status, mimetype=error_shape.MEDIA_TYPE
    )
    # Over those of the limits: an error that is passed on tells of the limits it met.
    g.exchange.headers |= {name.lower(): value for name, value in error.headers.items()}
    return response


def _render_http(error: HTTPException) -> Response:
    """The errors of Flask and Werkzeug, in OpenAI's shape."""
    method, path = request.method, request.path[:200]
    match error:
        case NotFound():
            return _render(
                errors.UnknownURL(
                    f"Invalid URL ({method} {path}). "
                    "The API is below /v1, /mock/v1 and /adapter/v1; /control steers the mock."
                )
            )
        case MethodNotAllowed():
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return _render(
                errors.MethodNotAllowed(
                    f"{method} is not allowed at {path}. Allowed are: {allowed}.", allowed=allowed
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
