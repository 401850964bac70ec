"""The pytest plugin: a mock for each test, on one server for all of them.

Loaded by every pytest that runs where this package is installed, so that it imports nothing
but pytest until a test asks for one of its fixtures.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from llm_proxy.testing.script import Script

MARKER = "llm_proxy(unused_ok=False): unused_ok=True lets the test leave scripts unused"
FIXTURES = ("llm_proxy", "llm_proxy_app")
NOT_FOR_TESTS = ("LLM_PROXY_API_KEYS", "LLM_PROXY_API_KEYS_FILE")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings of the plugin."""
    parser.addini(
        "llm_proxy_unused_ok",
        "whether a test may leave unused what it scripted (default: false)",
        type="bool",
        default=False,
    )
    parser.addini(
        "llm_proxy_settings",
        "settings of the server that tests share, one NAME=value on a line",
        type="linelist",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that passed, but left unused what it had scripted.

    Of one that fails by itself, tell what was asked, and what was never used.
    """
    taken = getattr(item, "funcargs", {})
    try:
        result = yield
    except BaseException:
        for script in (taken[name] for name in FIXTURES if name in taken):
            item.add_report_section("call", "llm_proxy", script.told())
        raise
    marker = item.get_closest_marker("llm_proxy")
    allowed = item.config.getini("llm_proxy_unused_ok")
    if marker is not None:
        allowed = marker.kwargs.get("unused_ok", allowed)
    for script in (taken[name] for name in FIXTURES if name in taken):
        if not allowed and (unused := script.unused()):
            pytest.fail("\n".join(["scripted, but never used:", *unused]), pytrace=False)
    return result


@pytest.fixture(scope="session")
def llm_proxy_server(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[str]:
    """The URL of a mock that runs in the background, one for all processes of this test run."""
    from llm_proxy.testing.server import shared_server

    folder: Path = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # one of several processes, each with its own
        folder = folder.parent
    with shared_server(folder / "llm-proxy", _settings(request.config)) as url:
        yield url


@pytest.fixture
def llm_proxy(
    llm_proxy_server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[Script]":
    """A mock of OpenAI's API for this test, in a namespace of its own.

    `OPENAI_BASE_URL` and `OPENAI_API_KEY` point to it while the test runs.
    """
    from llm_proxy.testing.control import http_call

    call = http_call(llm_proxy_server)
    with _script(call, llm_proxy_server, request, monkeypatch) as script:
        yield script


@pytest.fixture
def llm_proxy_app(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[Script]":
    """The same without a server: its `app` is the WSGI application, in this process.

    For Flask's test client and `httpx.WSGITransport`.
    """
    from llm_proxy import create_app
    from llm_proxy.settings import from_env
    from llm_proxy.testing.control import app_call
    from llm_proxy.testing.server import READABLE

    app = create_app(from_env({**READABLE, **_settings(request.config)}))
    with _script(app_call(app), "http://llm-proxy.test", request, monkeypatch) as script:
        script.app = app
        yield script


@contextmanager
def _script(
    call: Any, url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[Script]":
    from llm_proxy.namespaces import key_namespace
    from llm_proxy.testing.script import Script

    # Of this process too: another test run may use the same server.
    named = hashlib.sha256(f"{os.getpid()} {request.node.nodeid}".encode()).hexdigest()[:16]
    key = f"test-{named}"
    script = Script(call, url, key, key_namespace(key))
    monkeypatch.setenv("OPENAI_BASE_URL", script.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    yield script
    script.reset()


def _settings(config: pytest.Config) -> dict[str, str]:
    lines = config.getini("llm_proxy_settings")
    pairs = (line.partition("=") for line in lines)
    settings = {name.strip(): value.strip() for name, _, value in pairs}
    for name in NOT_FOR_TESTS:
        if name in settings:
            raise pytest.UsageError(
                f"llm_proxy_settings: {name} cannot be set: each test has a key of its own, "
                "which tells its requests from those of others, and the server would refuse it."
            )
    return settings
