"""The mock: OpenAI's API without a model behind it. Never imports the adapter."""

from flask import Blueprint

from llm_proxy import serving
from llm_proxy.mock.quota import Quotas
from llm_proxy.mock.resources import RESOURCES
from llm_proxy.mock.source import MockSource
from llm_proxy.settings import MockSettings, ServerSettings
from llm_proxy.state import State
from llm_proxy.tokenizers import tokenizer


def blueprint(settings: MockSettings, server: ServerSettings, state: State) -> Blueprint:
    """The routes of the mock, to be mounted below any base; `state` is what was set at run time."""
    return serving.half(
        "mock",
        MockSource(settings, state),
        server,
        RESOURCES,
        model_ids=settings.models,
        tokenizer=tokenizer(settings.tokenizer),
        limits=Quotas(settings, state),
        strict=settings.strict,
    )
