"""The part of the control API that shows the journal.

Flask code. Knows the journal, and no state of the mock.
"""

from functools import partial
from typing import Any, cast

from flask import Response, g, request

from llm_proxy import incoming
from llm_proxy.control import answers, calls
from llm_proxy.control.live import Listeners, Live, summary
from llm_proxy.control.queries import wanted
from llm_proxy.errors import NotServed, NotStored
from llm_proxy.journal.entry import Entry, Found, Journal
from llm_proxy.openai_api import sse


class ExchangeViews:
    """The views of `/requests`."""

    def __init__(self, journal: Journal | None, most: int) -> None:
        self._journal = journal
        self._most = most
        self._listeners = Listeners()

    def listed(self) -> Response:
        """The last exchanges, the newest first; all, or those that the query asks for."""
        journal, asked = self._kept(), wanted(request.args, self._namespace(), self._most)
        found = journal.read(asked)
        items = [summary(one) for one in found] if calls.flag(request.args, "brief") else found
        return answers.listed(items, has_more=len(found) == asked.limit, dropped=journal.dropped())

    def one(self, name: str) -> Response:
        """An exchange with all that is kept of it."""
        return answers.document(self._found(name).document())

    def stream(self) -> Response:
        """The exchanges as they are written down, until the client leaves."""
        journal, namespace = self._kept(), self._namespace()
        after = incoming.headers().get("last-event-id", "")
        self._listeners.enter()
        live = Live(
            journal,
            int(after) if after.isascii() and after.isdigit() else journal.latest(),
            partial(_is_of, namespace),
            g.exchange,
            incoming.client_clock(),
            self._listeners.leave,
        )
        return Response(
            cast(Any, live),
            mimetype=sse.MEDIA_TYPE,
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            direct_passthrough=True,
        )

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

    def _namespace(self) -> str | None:
        return calls.namespace_asked(incoming.headers(), request.args)


def _is_of(namespace: str | None, entry: Entry) -> bool:
    return namespace in (None, entry.namespace)
