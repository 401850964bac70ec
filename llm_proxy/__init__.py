"""LLM Proxy: OpenAI's API without a model behind it, or with a legacy search API behind it.

This module is the composition root, the only one that knows both halves.
"""

import os
from collections.abc import Mapping

from flask import Flask

from llm_proxy import adapter, edge, logs, mock
from llm_proxy.memory_state import MemoryState
from llm_proxy.settings import Settings, SettingsError, from_env


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application; without `settings` they are read from the environment.

    Raises:
        SettingsError: some settings are wrong.
    """
    settings = settings or _settings(os.environ)
    logs.configure(settings)
    app = Flask(__name__, static_folder=None)
    edge.install(app, settings.server)
    halves = {
        "mock": mock.blueprint(settings.mock, settings.server, MemoryState()),
        "adapter": adapter.blueprint(settings.adapter, settings.server),
    }
    for name, half in halves.items():
        app.register_blueprint(half, url_prefix=f"/{name}/v1")
    app.register_blueprint(halves[settings.server.v1], url_prefix="/v1", name="v1")
    return app


def checked_settings(environ: Mapping[str, str]) -> Settings:
    """The settings, and the files that they name looked into.

    Raises:
        SettingsError: something is wrong with either; all of it is listed.
    """
    settings = _settings(environ)
    if problems := mock.fixture_problems(settings.mock.fixtures):
        raise SettingsError(problems)
    return settings


def _settings(environ: Mapping[str, str]) -> Settings:
    """The settings; where some are wrong, what is wrong with the fixtures is listed, too."""
    try:
        return from_env(environ)
    except SettingsError as error:
        further = mock.fixture_problems(environ.get("MOCK_FIXTURES", ""))
        raise SettingsError([*error.problems, *further]) from None
