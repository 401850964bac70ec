"""The part of the control API that shows the journal.

Flask code. Knows the journal, and no state of the mock.
"""

from functools import partial
from typing import Any, cast

import msgspec
from flask import Response, g, request
from msgspec.structs import replace

from llm_proxy.control import answers, calls, command, exports, pytests, verification
from llm_proxy.control.connections import can_be_seen, open_connections
from llm_proxy.control.differences import differences
from llm_proxy.control.live import Listeners, Live, seen_last, summary
from llm_proxy.control.queries import wanted
from llm_proxy.control.report import report
from llm_proxy.errors import NotServed, NotStored
from llm_proxy.journal.entry import Entry, Found, Journal, Wanted
from llm_proxy.openai_api import sse
from llm_proxy.settings import ServerSettings
from llm_proxy.shell.incoming import current


class ExchangeViews:
    """The views of `/requests`."""

    def __init__(self, journal: Journal | None, server: ServerSettings) -> None:
        self._journal = journal
        self._most = server.journal_max
        self._max_body_bytes = server.max_body_bytes
        self._listeners = Listeners()

    def listed(self) -> Response:
        """The last exchanges, the newest first; all, or those that the query asks for."""
        journal, asked = self._kept(), wanted(request.args, self._namespace(), self._most)
        found = journal.read(replace(asked, limit=asked.limit + 1))
        has_more, found = len(found) > asked.limit, found[: asked.limit]
        items = [summary(one) for one in found] if calls.flag(request.args, "brief") else found
        return answers.listed(items, has_more=has_more, dropped=journal.dropped())

    def one(self, name: str) -> Response:
        """An exchange with all that is kept of it."""
        return answers.document(self._found(name).document())

    def stream(self) -> Response:
        """The exchanges as they are written down, until the client leaves."""
        journal, namespace = self._kept(), self._namespace()
        after = seen_last(current().headers, journal.latest())
        clock = current().client_clock()
        self._listeners.enter()  # last: only what is served is closed, and leaves
        live = Live(
            journal,
            after,
            partial(_is_of, namespace),
            g.exchange,
            clock,
            self._listeners.leave,
        )
        return Response(
            cast(Any, live),
            mimetype=sse.MEDIA_TYPE,
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            direct_passthrough=True,
        )

    def curl(self, name: str) -> Response:
        """A command that repeats the request, at the address that the caller knows."""
        return _text(command.curl(self._found(name), request.url_root.rstrip("/")))

    def fixture(self, name: str) -> Response:
        """A file of fixtures that gives the same reply."""
        return answers.document(exports.fixture(self._found(name)))

    def pytest(self, name: str) -> Response:
        """A test that asserts the reply."""
        return _text(pytests.pytest_test(self._found(name)))

    def diff(self, name: str, other: str) -> Response:
        """How two exchanges differ."""
        found = differences(self._found(name), self._found(other))
        return answers.document({"a": name, "b": other, "same": not found, "differences": found})

    def verify(self) -> Response:
        """Whether as many requests came that match as should have."""
        calls.refuse_other_media(request.mimetype)
        body, why_not = verification.asked(current().body(self._max_body_bytes))
        namespace = self._namespace(body.namespace)
        found = self._kept().found(Wanted(namespace=namespace, limit=self._most))
        return answers.document(verification.verified(body, why_not, found))

    def report(self) -> Response:
        """What clients did about failures."""
        found = self._kept().found(Wanted(namespace=self._namespace(), limit=self._most))
        port = int(request.environ["SERVER_PORT"])
        connections = open_connections(port) if can_be_seen() else None
        told = msgspec.json.encode(report(found, connections))
        return Response(told, mimetype=calls.MEDIA_TYPE)

    def forget(self) -> Response:
        """Empty the journal, or take one namespace out of it."""
        return answers.document({"deleted": self._kept().clear(self._namespace())})

    def _kept(self) -> Journal:
        if self._journal is None:
            raise NotServed("There is no journal: LLM_PROXY_JOURNAL is off.")
        return self._journal

    def _found(self, name: str) -> Found:
        if (found := self._kept().find(name)) is None:
            raise NotStored(f"The journal has no exchange '{name[:100]}'.")
        return found

    def _namespace(self, in_body: str | None = None) -> str | None:
        return calls.namespace_asked(current().headers, request.args, in_body)


def _text(text: str) -> Response:
    return Response(text, mimetype="text/plain")


def _is_of(namespace: str | None, entry: Entry) -> bool:
    return namespace in (None, entry.namespace)
