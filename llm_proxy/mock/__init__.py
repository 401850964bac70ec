"""The mock: OpenAI's API without a model behind it. Never imports the adapter."""

from collections.abc import Sequence

from flask import Blueprint

from llm_proxy import serving
from llm_proxy.mock.faults.precedence import Faults
from llm_proxy.mock.quota import Quotas
from llm_proxy.mock.recording.embeddings import RecordingEmbeddings
from llm_proxy.mock.recording.shelf import Shelf
from llm_proxy.mock.recording.source import RecordingSource
from llm_proxy.mock.recording.upstream import Upstream
from llm_proxy.mock.resources import RESOURCES
from llm_proxy.mock.source import MockSource
from llm_proxy.openai_api.resource import Resource
from llm_proxy.settings import MockSettings, ServerSettings
from llm_proxy.state import State
from llm_proxy.store import Store
from llm_proxy.tokenizers import tokenizer


def blueprint(
    settings: MockSettings, server: ServerSettings, state: State, store: Store
) -> Blueprint:
    """The routes of the mock, to be mounted below any base; `state` is what was set at run time."""
    faults = Faults(state, settings.chaos, settings.seed)
    recorder: RecordingSource | None = None
    resources: Sequence[Resource] = RESOURCES
    if settings.record_url:
        upstream = Upstream(
            settings.record_url,
            settings.record_key,
            settings.record_timeout_seconds,
            # Where keys are asked for they are ours, and nobody else's business.
            passes_keys=not server.api_keys,
        )
        shelf = Shelf(settings.fixtures)
        recorder = RecordingSource(upstream, shelf)
        recorded = Resource("POST", "/embeddings", RecordingEmbeddings(upstream, shelf))
        resources = (recorded, *(one for one in RESOURCES if one.path != recorded.path))
    return serving.half(
        "mock",
        MockSource(settings, state, faults, recorder),
        server,
        resources,
        store=store,
        model_ids=settings.models,
        tokenizer=tokenizer(settings.tokenizer),
        limits=Quotas(settings, state),
        dressed=faults.dressed,
        strict=settings.strict,
    )
