"""The mock: OpenAI's API without a model behind it. Never imports the adapter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_proxy.core.tokenizers import tokenizer
from llm_proxy.mock.decisions import Decisions
from llm_proxy.mock.embedding import Embeddings
from llm_proxy.mock.faults.precedence import Faults
from llm_proxy.mock.fixtures import parsing
from llm_proxy.mock.fixtures.library import Fixtures
from llm_proxy.mock.fixtures.loading import loaded
from llm_proxy.mock.fixtures.problems import BrokenFixtures
from llm_proxy.mock.fixtures.watched import Watched
from llm_proxy.mock.quota import Quotas
from llm_proxy.mock.recording.embeddings import RecordingEmbeddings
from llm_proxy.mock.recording.shelf import Shelf
from llm_proxy.mock.recording.source import RecordingSource
from llm_proxy.mock.recording.upstream import Upstream
from llm_proxy.mock.resources import RESOURCES
from llm_proxy.mock.source import MockSource
from llm_proxy.openai_api.embeddings import EmbeddingBody
from llm_proxy.openai_api.resource import Resource
from llm_proxy.settings import MockSettings, ServerSettings, SettingsError
from llm_proxy.shell import serving
from llm_proxy.state import State
from llm_proxy.store import Store


def blueprint(
    settings: MockSettings,
    server: ServerSettings,
    state: State,
    store: Store,
    *,
    broken_left_out: bool = False,
) -> serving.Half:
    """The routes of the mock, to be mounted below any base; `state` is what was set at run time.

    Raises:
        SettingsError: fixtures are broken, and such are not to be left out.
    """
    faults = Faults(state, settings.chaos, settings.seed)
    decisions = Decisions(_fixtures(settings, state, broken_left_out), faults)
    recorder: RecordingSource | None = None
    recorded_embeddings: RecordingEmbeddings | None = None
    if settings.record_url:
        upstream = Upstream(
            settings.record_url,
            settings.record_key,
            settings.record_timeout_seconds,
            # Where keys are asked for they are ours, and nobody else's business.
            passes_keys=not server.asks_for_keys,
        )
        shelf = Shelf(settings.fixtures)
        recorder = RecordingSource(upstream, shelf)
        recorded_embeddings = RecordingEmbeddings(upstream, shelf)
    embeddings = Embeddings(decisions, recorded_embeddings)
    embedding = Resource("POST", "/embeddings", embeddings, metered=True, shape=EmbeddingBody)

    def dressed(resource: Resource) -> Resource:
        """The resource with its faults; embeddings see to theirs, which fixtures may set."""
        return resource if resource.answer is embeddings else faults.dressed(resource)

    return serving.half(
        "mock",
        MockSource(settings, state, decisions, recorder),
        server,
        (embedding, *RESOURCES),
        store=store,
        model_ids=settings.models,
        tokenizer=tokenizer(settings.tokenizer),
        limits=Quotas(settings, state),
        dressed=dressed,
        strict=settings.strict,
    )


def fixture_problems(path: str, *, recording: bool) -> list[str]:
    """What is wrong with the fixtures that a setting names, each as a line of its own.

    Where answers are recorded there need not be any yet.
    """
    found = loaded(Path(path), may_be_empty=recording).problems if path else ()
    return [f"MOCK_FIXTURES: {problem}" for problem in found]


def problems_of_fixture(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with one fixture, each thing as a sentence."""
    try:
        parsing.fixture(document, "", 1)
    except BrokenFixtures as error:
        return [problem.message for problem in error.problems]
    return []


def _fixtures(settings: MockSettings, state: State, broken_left_out: bool) -> Fixtures:
    if not settings.fixtures:
        return Fixtures(state)
    try:
        files = Watched(
            Path(settings.fixtures),
            may_be_empty=bool(settings.record_url),
            left_out=broken_left_out,
        )
    except BrokenFixtures as error:
        raise SettingsError([f"MOCK_FIXTURES: {one}" for one in error.problems]) from None
    return Fixtures(state, files)
