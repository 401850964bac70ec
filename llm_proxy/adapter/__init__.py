"""The adapter: the legacy search API behind OpenAI's API. Never imports the mock."""

from flask import Blueprint

from llm_proxy import serving
from llm_proxy.adapter.source import LegacySource
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.settings import AdapterSettings, ServerSettings


def blueprint(settings: AdapterSettings, server: ServerSettings) -> Blueprint:
    """The routes of the adapter, to be mounted below any base."""
    source = LegacySource(settings, Upstream(settings))
    return serving.half("adapter", source, (settings.model,), server)
