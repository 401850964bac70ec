"""The front: a WSGI application that serves the surfaces by itself, and leaves the rest to Flask.

What Flask does for a route, which here is neither hooks, sessions nor converters, would cost as
much as the whole answer. Whatever is out of the ordinary is Flask's, which serves the same
views with the same edge.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication

from llm_proxy.records.exchange import Exchange
from llm_proxy.shell.edge import Edge
from llm_proxy.shell.incoming import Incoming
from llm_proxy.shell.outgoing import Outgoing

View = Callable[[Incoming, Exchange], Outgoing]
"""What answers a request of one route; it raises a `ProxyError`, or `ClientGone`."""


class Front:
    """Serves `POST` at the paths of `views`, and hands everything else on to `behind`."""

    def __init__(self, edge: Edge, views: Mapping[str, View], behind: WSGIApplication) -> None:
        self._edge = edge
        self._views = views
        self.behind = behind

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        view = self._views.get(environ.get("PATH_INFO", ""))  # not there if it is empty
        if view is None or environ["REQUEST_METHOD"] != "POST" or "HTTP_ORIGIN" in environ:
            return self.behind(environ, start_response)
        edge, incoming = self._edge, Incoming(environ)
        exchange = edge.begun(incoming, incoming.path)
        try:
            edge.traced(exchange, incoming)
            edge.check_key(incoming)
            outgoing = view(incoming, exchange)
        except Exception as error:  # whatever it is, the client gets an answer
            outgoing = edge.failed(exchange, error)
        edge.finish(exchange, incoming, outgoing)
        return outgoing.start(start_response, exchange)
