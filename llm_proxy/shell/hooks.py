"""The edge around what Flask serves: its hooks, its error handlers, its health route."""

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from llm_proxy import errors
from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.errors import MEDIA_TYPE
from llm_proxy.records.exchange import Exchange
from llm_proxy.settings import ServerSettings
from llm_proxy.shell import cors, incoming
from llm_proxy.shell.edge import Edge
from llm_proxy.shell.outgoing import Outgoing
from llm_proxy.shell.pieces import AnswerInPieces


def install(app: Flask, edge: Edge, settings: ServerSettings) -> None:
    """Put the edge around `app`, and CORS as the settings say."""
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # else //v1 is redirected, with a page in HTML
    app.add_url_rule("/health", "health", lambda: Response(b'{"status":"ok"}', mimetype=MEDIA_TYPE))

    def begin() -> None:
        rule = request.url_rule
        g.exchange = edge.begun(incoming.current(), "" if rule is None else rule.rule)

    def trace() -> None:
        edge.traced(g.exchange, incoming.current())

    def check_key() -> None:
        if request.endpoint != "health":
            edge.check_key(incoming.current())

    def finish(response: Response) -> Response:
        exchange: Exchange = g.exchange
        pieces = response.response
        media_type = response.headers.pop("Content-Type", "")
        outgoing = Outgoing(
            pieces if isinstance(pieces, AnswerInPieces) else response.get_data(),
            media_type,
            response.status_code,
            response.headers.to_wsgi_list(),
        )
        edge.finish(exchange, incoming.current(), outgoing)
        response.headers.clear()
        response.headers.extend(outgoing.headers)
        if media_type:
            response.headers["Content-Type"] = media_type
        if not isinstance(pieces, AnswerInPieces):
            response.call_on_close(exchange.end)
        return response

    def render(error: Exception) -> Response:
        return response_of(edge.failed(g.exchange, error))

    app.before_request(begin)
    cors.install(app, settings.cors_origins)
    app.before_request(trace)
    app.before_request(check_key)
    app.after_request(finish)
    app.register_error_handler(HTTPException, lambda error: render(_in_our_shape(error)))
    app.register_error_handler(Exception, render)


def response_of(outgoing: Outgoing) -> Response:
    """The answer as Flask has it."""
    pieces = isinstance(outgoing.body, AnswerInPieces)
    return Response(
        outgoing.body,  # any iterable with a close() will do (PEP 3333)
        outgoing.status,
        outgoing.headers,
        content_type=outgoing.media_type,
        direct_passthrough=pieces,
    )


def _in_our_shape(error: HTTPException) -> Exception:
    """An error of Flask or Werkzeug as one of ours; a crash is left as it is."""
    method, path = request.method, request.path[:200]
    match error:
        case NotFound():
            return errors.UnknownURL(
                f"Invalid URL ({method} {path}). "
                "The API is below /v1, /mock/v1 and /adapter/v1; /control steers the mock."
            )
        case MethodNotAllowed():
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return errors.MethodNotAllowed(
                f"{method} is not allowed at {path}. Allowed are: {allowed}.", allowed=allowed
            )
        case _ if (error.code or 500) < 500:
            return InvalidRequest(error.description or error.name)
        case _:
            return error
