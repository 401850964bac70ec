"""The composition root: the only module that knows both halves, and puts all together."""

import os
from collections.abc import Callable, Mapping
from functools import partial

from flask import Flask

from llm_proxy import adapter, control, inspector, metrics, mock
from llm_proxy.journal.hindsight import Understanding
from llm_proxy.journal.redacted import AsSent
from llm_proxy.metrics import place as metrics_place
from llm_proxy.metrics.counted import Counted
from llm_proxy.mock import profiles
from llm_proxy.openai_api.again import understood_again
from llm_proxy.records import logs, request_log
from llm_proxy.records.exchange import Traces
from llm_proxy.settings import Settings, SettingsError, from_env
from llm_proxy.shell import hooks
from llm_proxy.shell.edge import Edge
from llm_proxy.shell.front import Front, View
from llm_proxy.shell.keys import Keys
from llm_proxy.sqlite import place
from llm_proxy.sqlite.database import DatabaseUnusable
from llm_proxy.sqlite.journal import SqliteJournal
from llm_proxy.sqlite.state import SqliteState
from llm_proxy.sqlite.store import SqliteStore
from llm_proxy.tracing import wanted as tracing


def composed(settings: Settings | None = None) -> Flask:
    """The WSGI application; without `settings` they are read from the environment.

    In a worker, broken fixtures are logged and left out: whoever started the server looked at
    them before, and a worker that takes the place of another must not fail where that one
    would have gone on.

    Raises:
        SettingsError: some settings are wrong.
    """
    environ: Mapping[str, str] = {}
    if settings is None:
        environ = os.environ
        settings = _settings(environ)
    server = settings.server
    keys = Keys(server.api_keys, server.api_keys_file)
    redacted = logs.Redactor(settings.secrets, keys.ever_filed)
    logs.configure(server, redacted)
    whereabouts = place.whereabouts(server.journal, environ)
    database = place.database(whereabouts)
    try:
        database.check()
    except DatabaseUnusable as error:
        raise SettingsError([f"LLM_PROXY_JOURNAL: {error}"]) from None
    state = SqliteState(database)
    journal = None
    if server.journal != "off":
        # By a connection of its own: nobody who answers a request is to wait while it is written.
        kept_back = redacted if server.journal_redacted else AsSent()
        own = place.database(whereabouts)
        journal = SqliteJournal(own, server.journal_max, kept_back, _understanding(settings))
    models = (*settings.mock.models, *(one.model for one in settings.upstreams))
    counted = Counted(models, redacted)
    if metrics_place.FOLDER in environ:  # a worker, better ready before its first request
        counted.meters()
    app = Flask(__package__, static_folder=None)
    edge = Edge(
        tell=request_log.teller(server, redacted),
        keys=keys if server.asks_for_keys else None,
        journal=journal,
        journaled=("/mock/v1/", "/adapter/v1/", "/v1/"),
        observers=(counted,),
        traces=_traces(environ, redacted),
        keep_bodies=request_log.tells_bodies(server),
    )
    hooks.install(app, edge, server)
    app.register_blueprint(metrics.blueprint(counted))
    controls = control.blueprint(
        state,
        journal,
        server,
        check_fixture=mock.problems_of_fixture,
        profiles=profiles.NAMES,
    )
    app.register_blueprint(controls, url_prefix="/control")
    app.register_blueprint(inspector.blueprint(journal, server))
    mocked = mock.blueprint(
        settings.mock,
        server,
        state,
        SqliteStore(database, "mock"),
        broken_left_out=place.FILE in environ,  # handed down: this is a worker
    )
    halves = {
        "mock": mocked,
        "adapter": adapter.blueprint(settings.upstreams, server, SqliteStore(database, "adapter")),
    }
    views: dict[str, View] = {}
    for base, half in (*halves.items(), ("", halves[server.v1])):
        prefix = f"/{base}/v1" if base else "/v1"
        app.register_blueprint(half, url_prefix=prefix, name=base or "v1")
        views |= {prefix + path: view for path, view in half.views.items()}
    app.wsgi_app = Front(edge, views, app.wsgi_app)  # type: ignore[method-assign]
    return app


def _understanding(settings: Settings) -> Understanding:
    """What the halves make of a request, told anew; each has models of its own."""
    halves = {
        "mock": settings.mock.models,
        "adapter": tuple(one.model for one in settings.upstreams),
    }
    below = {f"/{name}/": models for name, models in halves.items()}
    return partial(understood_again, below | {"/": halves[settings.server.v1]})


def _traces(environ: Mapping[str, str], redacted: Callable[[str], str]) -> Traces | None:
    if not tracing.wanted(environ):
        return None
    from llm_proxy.tracing import spans  # its packages are optional

    return spans.Traces(redacted)


def checked_settings(environ: Mapping[str, str]) -> Settings:
    """The settings, and the files that they name looked into.

    Raises:
        SettingsError: something is wrong with either; all of it is listed.
    """
    settings = _settings(environ)
    recording = bool(settings.mock.record_url)
    if problems := mock.fixture_problems(settings.mock.fixtures, recording=recording):
        raise SettingsError(problems)
    return settings


def _settings(environ: Mapping[str, str]) -> Settings:
    """The settings; where some are wrong, what is wrong with the fixtures is listed, too."""
    untraceable = tracing.problems(environ)
    try:
        settings = from_env(environ)
    except SettingsError as error:
        fixtures, recording = environ.get("MOCK_FIXTURES", ""), bool(environ.get("MOCK_RECORD"))
        further = mock.fixture_problems(fixtures, recording=recording)
        raise SettingsError([*error.problems, *further, *untraceable]) from None
    if untraceable:
        raise SettingsError(untraceable)
    return settings
