"""LLM Proxy: OpenAI's API without a model behind it, or with a legacy search API behind it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from llm_proxy.settings import Settings


def create_app(settings: "Settings | None" = None) -> "Flask":
    """The WSGI application; without `settings` they are read from the environment.

    Replies are served in front of Flask (`llm_proxy.shell.front`): whoever puts the application
    into something of their own and wants to see every request wraps `wsgi_app`, as its hooks do
    not.

    Raises:
        SettingsError: some settings are wrong.
    """
    # Imported here, as pytest loads the plugin in this package whether it is used or not.
    from llm_proxy.app import composed

    return composed(settings)
