"""The control API: what the mock is told at run time, and the journal, as JSON under `/control`.

Flask code. Knows the shared state and the journal, and no source of replies.
"""

from collections.abc import Collection

from flask import Blueprint

from llm_proxy.control import answers, calls
from llm_proxy.control.bodies import CheckFixture
from llm_proxy.control.exchanges import ExchangeViews
from llm_proxy.control.openapi import openapi
from llm_proxy.control.route import Route
from llm_proxy.control.routes import routes
from llm_proxy.control.scripts import ScriptViews
from llm_proxy.journal.entry import Journal
from llm_proxy.settings import ServerSettings
from llm_proxy.shell.incoming import current
from llm_proxy.state import State


def blueprint(
    state: State,
    journal: Journal | None,
    server: ServerSettings,
    *,
    check_fixture: CheckFixture = lambda _: (),
    profiles: Collection[str] = (),
) -> Blueprint:
    """The routes of the control API, to be mounted at `/control`.

    Without a `journal` there are no exchanges to be read. Fixtures have to pass
    `check_fixture`; pacing may name one of `profiles`.
    """
    table = routes(
        ScriptViews(state, journal, server, check_fixture, profiles), ExchangeViews(journal, server)
    )
    described = Route(
        "GET",
        "/openapi.json",
        lambda: answers.document(openapi([*table, described], keys=server.asks_for_keys)),
        "The control API as an OpenAPI document",
    )
    control = Blueprint("control", __name__)
    control.before_request(lambda: calls.refuse_foreign(current().headers))
    for route in (*table, described):
        control.add_url_rule(route.path, route.name, route.view, methods=[route.method])
    return control
