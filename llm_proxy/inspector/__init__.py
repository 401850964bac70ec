"""The page at `/` that shows the journal to people.

Flask code. Reads the journal, writes nothing, and knows neither half of the server.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from flask import Blueprint, Response, render_template, request, url_for

from llm_proxy.control.queries import wanted
from llm_proxy.errors import Forbidden, InvalidRequest, UnknownURL
from llm_proxy.inspector import comparison, view
from llm_proxy.inspector.timeline import written
from llm_proxy.journal.entry import Journal
from llm_proxy.records.exchange import Outcome
from llm_proxy.settings import ServerSettings
from llm_proxy.shell import browsers
from llm_proxy.shell.incoming import current

ROWS = 100
"""Exchanges that are listed at once."""

FILTERS = ("text", "path", "model", "status", "outcome", "namespace", "before")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Of all that is served here: what a client sent is text, whatever it looks like."""

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_STATIC = Path(__file__).parent / "static"


def blueprint(journal: Journal | None, server: ServerSettings) -> Blueprint:
    """The page, to be mounted at the root; without a `journal` it says why it is empty."""
    views = _Views(journal, server)
    pages = Blueprint("inspector", __name__, template_folder="templates")
    pages.before_request(_refuse_foreign)
    pages.after_request(_secured)
    routes: list[tuple[str, str, Callable[..., Response]]] = [
        ("/", "exchanges", views.listed),
        ("/exchanges/<name>", "exchange", views.opened),
        ("/exchanges/<before>/compare/<after>", "compare", views.compared),
        ("/assets/<name>", "asset", _asset),
    ]
    for path, name, serve in routes:
        pages.add_url_rule(path, name, serve)
    return pages


class _Views:
    """What the views share."""

    def __init__(self, journal: Journal | None, server: ServerSettings) -> None:
        self._journal = journal
        self._server = server

    def listed(self) -> Response:
        """The last exchanges that fit the filters, the newest first."""
        asked = {name: value for name in FILTERS if (value := request.args.get(name, "").strip())}
        rows: list[view.Row] = []
        problem, status = "", 200
        if self._journal is not None:
            try:
                query = wanted({**asked, "limit": str(ROWS + 1)}, asked.get("namespace"), ROWS + 1)
                rows = [view.listed(entry) for entry in self._journal.read(query)]
            except InvalidRequest as error:
                problem, status = error.message, 400
        return _page(
            "exchanges",
            status,
            rows=rows[:ROWS],
            older=rows[ROWS - 1].id if len(rows) > ROWS else "",
            asked=asked,
            filtered=bool(set(asked) - {"before"}),
            outcomes=get_args(Outcome),
            problem=problem,
            journal_off=self._journal is None,
            base=request.url_root,
            half=self._server.v1,
            keyed=bool(self._server.api_keys or self._server.api_keys_file),
        )

    def opened(self, name: str) -> Response:
        """One exchange with all that is kept of it."""
        if (found := self._found(name)) is None:
            return _page("missing", 404, names=[name])
        return _page("exchange", shown=view.opened(found))

    def compared(self, before: str, after: str) -> Response:
        """What differs in the second of two exchanges."""
        first, second = self._found(before), self._found(after)
        if first is None or second is None:
            pairs = ((before, first), (after, second))
            return _page("missing", 404, names=[name for name, one in pairs if one is None])
        return _page("compare", both=comparison.compared(first, second))

    def _found(self, name: str) -> Any:
        return None if self._journal is None else self._journal.find(name)


@dataclass(frozen=True)
class _Asset:
    content: bytes
    digest: str
    media_type: str


@cache
def _assets() -> Mapping[str, _Asset]:
    """The files that a page needs, read when it is first looked at."""
    return {
        path.name: _Asset(
            path.read_bytes(),
            hashlib.sha256(path.read_bytes()).hexdigest()[:16],
            MEDIA_TYPES[path.suffix],
        )
        for path in _STATIC.iterdir()
        if path.suffix in MEDIA_TYPES
    }


def _asset(name: str) -> Response:
    """One of these files. Its address changes with it, so a browser may keep it."""
    asset = _assets().get(name)
    if asset is None:
        raise UnknownURL(f"There is no file '{name[:100]}' here.")
    response = Response(asset.content, mimetype=asset.media_type)
    fresh = request.args.get("v") == asset.digest
    response.headers["Cache-Control"] = "private, max-age=31536000" if fresh else "no-cache"
    return response


def _asset_url(name: str) -> str:
    return url_for("inspector.asset", name=name, v=_assets()[name].digest)


def _page(name: str, status: int = 200, **values: Any) -> Response:
    content = render_template(
        f"inspector/{name}.html", asset_url=_asset_url, written=written, **values
    )
    response = Response(content, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refuse_foreign() -> None:
    """Keep what clients said from pages of other sites, which CORS may let call the rest."""
    headers = current().headers
    if browsers.is_foreign(headers) and not browsers.is_followed_link(headers):
        raise Forbidden("This page may not be read by a page of another site.")


def _secured(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response
