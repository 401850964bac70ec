"""What surrounds every request, wherever it goes: its record, its key, its errors, its headers.

Knows no Flask and no route: `hooks` puts it around what Flask serves, `front` around the rest.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from llm_proxy.errors import ClientGone, InternalError, InvalidAPIKey, InvalidRequest, ProxyError
from llm_proxy.journal.entry import Journal
from llm_proxy.namespaces import bearer_key, namespace_of
from llm_proxy.openai_api import headers
from llm_proxy.openai_api.errors import MEDIA_TYPE, error_body
from llm_proxy.records.cut import MAX_SECRET
from llm_proxy.records.exchange import Exchange, Observer, Traces
from llm_proxy.records.trace import MAX_ANSWER_BYTES, Trace
from llm_proxy.shell import browsers
from llm_proxy.shell.incoming import Incoming
from llm_proxy.shell.keys import Keys
from llm_proxy.shell.outgoing import Outgoing

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""How nginx logs a client that has left before it was answered."""

_TOO_DEEP = "The request, or what it asks for, is nested deeper than this server can follow."


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What is done at the edge of an application.

    Every exchange is told of by `tell`, at its end, and to the `observers`. What is asked below
    the paths in `journaled` also goes into the `journal`, and into `traces`, if there are any.
    Where `keys` are given, a request has to bring one of them.
    """

    tell: Callable[[Exchange], None]
    keys: Keys | None = None
    journal: Journal | None = None
    journaled: tuple[str, ...] = ()
    observers: tuple[Observer, ...] = ()
    traces: Traces | None = None
    keep_bodies: bool = False

    def begun(self, incoming: Incoming, route: str) -> Exchange:
        """The record of a request, whose path the rule `route` fits."""
        exchange = Exchange(
            method=incoming.method,
            path=incoming.path,
            route=route,
            tell=self.tell,
            observers=self.observers,
            keep_bodies=self.keep_bodies,
        )
        if self.journal is not None and incoming.path.startswith(self.journaled):
            exchange.record = self.journal.record
            exchange.namespace = namespace_of(incoming.headers)
            exchange.keep_bytes = MAX_ANSWER_BYTES + MAX_SECRET
            exchange.course.keeps = True
            exchange.trace = Trace(incoming.headers, incoming.query, incoming.peer)
        return exchange

    def traced(self, exchange: Exchange, incoming: Incoming) -> None:
        """Make an exchange part of what is traced over several services."""
        if self.traces is not None and exchange.path.startswith(self.journaled):
            observer, replaced = self.traces.begun(exchange, incoming.headers)
            exchange.observers += (observer,)
            incoming.replace_headers(replaced)

    def check_key(self, incoming: Incoming) -> None:
        """See whether a request brings one of the keys, if any are asked for.

        As a Bearer token (RFC 6750, 2.1), or, as no browser sends one by itself, as the password
        that its user was asked for.

        Raises:
            InvalidAPIKey: it does not.
        """
        if self.keys is None:
            return
        given = bearer_key(incoming.headers) or browsers.password(incoming.headers)
        if not self.keys.hold(given):
            wrong = "The API key is none that this server knows" if given else "No API key came"
            error = InvalidAPIKey(
                f"{wrong}: send one of LLM_PROXY_API_KEYS as 'Authorization: Bearer KEY'."
            )
            if browsers.can_ask(incoming.headers):
                error.headers = {"WWW-Authenticate": browsers.CHALLENGE}
            raise error

    def failed(self, exchange: Exchange, error: Exception) -> Outgoing:
        """The answer that an error is; anything unforeseen has its traceback in the log."""
        if isinstance(error, ClientGone):
            exchange.ended_by(error)
            return Outgoing(b"", MEDIA_TYPE, CLIENT_CLOSED_REQUEST)
        if isinstance(error, RecursionError):
            told = "What is nested too deep was refused, request id %s"
            log.warning(told, exchange.id, exc_info=error)
            error = InvalidRequest(_TOO_DEEP)
        elif not isinstance(error, ProxyError):
            log.error("A request crashed, request id %s", exchange.id, exc_info=error)
            error = InternalError(
                "The server had an error while processing the request. "
                f"The request id is {exchange.id}."
            )
        exchange.ended_by(error)
        # Over those of the limits: an error that is passed on tells of the limits it met.
        exchange.headers |= {name.lower(): value for name, value in error.headers.items()}
        return Outgoing(error_body(error), MEDIA_TYPE, error.status)

    def finish(self, exchange: Exchange, incoming: Incoming, outgoing: Outgoing) -> None:
        """Put the last headers on an answer, and the exchange on record before it is sent."""
        exchange.status = outgoing.status
        answered = outgoing.headers
        answered += (
            ("x-request-id", exchange.id),
            ("openai-version", headers.VERSION),
            ("openai-processing-ms", str(round(exchange.elapsed_seconds() * 1000))),
        )
        if exchange.headers:
            known = {name.lower() for name, _ in answered}  # an answer may know better what is left
            answered += [one for one in exchange.headers.items() if one[0] not in known]
        if exchange.trace is not None:
            exchange.trace.answer_headers = (("content-type", outgoing.media_type), *answered)
        if isinstance(outgoing.body, bytes):
            exchange.said(exchange.sent(b"" if incoming.method == "HEAD" else outgoing.body))
            exchange.ending(exchange.outcome)
        if outgoing.status >= 400:
            incoming.drain()
