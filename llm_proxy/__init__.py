"""LLM Proxy: OpenAI's API without a model behind it, or with a legacy search API behind it.

This module is the composition root, the only one that knows both halves.
"""

import os

from flask import Flask

from llm_proxy import adapter, edge, logs, mock
from llm_proxy.settings import Settings, from_env


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application; without `settings` they are read from the environment.

    Raises:
        SettingsError: some settings are wrong.
    """
    settings = settings or from_env(os.environ)
    logs.configure(settings)
    app = Flask(__name__, static_folder=None)
    edge.install(app, settings.server)
    halves = {
        "mock": mock.blueprint(settings.mock, settings.server),
        "adapter": adapter.blueprint(settings.upstreams, settings.server),
    }
    for name, half in halves.items():
        app.register_blueprint(half, url_prefix=f"/{name}/v1")
    app.register_blueprint(halves[settings.server.v1], url_prefix="/v1", name="v1")
    return app
