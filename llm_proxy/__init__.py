"""LLM Proxy: OpenAI's API without a model behind it, or with a legacy search API behind it.

This module is the composition root, the only one that knows both halves.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from llm_proxy.settings import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The WSGI application; without `settings` they are read from the environment.

    Raises:
        SettingsError: some settings are wrong.
    """
    # Imported here, as pytest loads the plugin in this package whether it is used or not.
    import os
    from collections.abc import Mapping

    from flask import Flask

    from llm_proxy import adapter, control, edge, logs, mock
    from llm_proxy.mock import profiles
    from llm_proxy.settings import SettingsError, from_env
    from llm_proxy.sqlite import place
    from llm_proxy.sqlite.database import DatabaseUnusable
    from llm_proxy.sqlite.journal import SqliteJournal
    from llm_proxy.sqlite.state import SqliteState
    from llm_proxy.sqlite.store import SqliteStore

    environ: Mapping[str, str] = {}
    if settings is None:
        environ = os.environ
        settings = from_env(environ)
    server = settings.server
    logs.configure(settings)
    database = place.database(place.whereabouts(server.journal, environ))
    try:
        database.check()
    except DatabaseUnusable as error:
        raise SettingsError([f"LLM_PROXY_JOURNAL: {error}"]) from None
    state = SqliteState(database)
    journal = None
    if server.journal != "off":
        journal = SqliteJournal(database, server.journal_max, logs.Redactor(settings.secrets))
    app = Flask(__name__, static_folder=None)
    edge.install(app, server, journal, journaled=("mock", "adapter", "v1"))
    app.register_blueprint(
        control.blueprint(state, journal, server, profiles=profiles.NAMES),
        url_prefix="/control",
    )
    halves = {
        "mock": mock.blueprint(settings.mock, server, state, SqliteStore(database, "mock")),
        "adapter": adapter.blueprint(settings.adapter, server, SqliteStore(database, "adapter")),
    }
    for name, half in halves.items():
        app.register_blueprint(half, url_prefix=f"/{name}/v1")
    app.register_blueprint(halves[server.v1], url_prefix="/v1", name="v1")
    return app
