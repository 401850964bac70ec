"""The mock: OpenAI's API without a model behind it. Never imports the adapter."""

from pathlib import Path

from flask import Blueprint

from llm_proxy import serving
from llm_proxy.limits import Unlimited
from llm_proxy.mock.fixtures.library import Fixtures
from llm_proxy.mock.fixtures.loading import loaded
from llm_proxy.mock.fixtures.problems import BrokenFixtures
from llm_proxy.mock.fixtures.watched import Watched
from llm_proxy.mock.resources import resources
from llm_proxy.mock.source import MockSource
from llm_proxy.settings import MockSettings, ServerSettings, SettingsError
from llm_proxy.state import State
from llm_proxy.tokenizers import tokenizer


def blueprint(settings: MockSettings, server: ServerSettings, state: State) -> Blueprint:
    """The routes of the mock, to be mounted below any base.

    Raises:
        SettingsError: the fixtures cannot be used.
    """
    fixtures = _fixtures(settings, state)
    return serving.half(
        "mock",
        MockSource(settings, fixtures),
        server,
        resources(fixtures),
        model_ids=settings.models,
        tokenizer=tokenizer(settings.tokenizer),
        limits=Unlimited(),
        strict=settings.strict,
    )


def fixture_problems(path: str) -> list[str]:
    """What is wrong with the fixtures that a setting names, each as a line of its own."""
    found = loaded(Path(path)).problems if path else ()
    return [f"MOCK_FIXTURES: {problem}" for problem in found]


def _fixtures(settings: MockSettings, state: State) -> Fixtures:
    if not settings.fixtures:
        return Fixtures(state)
    try:
        return Fixtures(state, Watched(Path(settings.fixtures)))
    except BrokenFixtures as error:
        raise SettingsError([f"MOCK_FIXTURES: {one}" for one in error.problems]) from None
