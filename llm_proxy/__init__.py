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

    from flask import Flask

    from llm_proxy import adapter, edge, logs, mock
    from llm_proxy.memory_state import MemoryState
    from llm_proxy.settings import from_env

    settings = settings or from_env(os.environ)
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
