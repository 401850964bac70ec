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

UNUSED_OK = "unused_ok"
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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse what the marker does not take, as it would have no effect."""
    for marker in item.iter_markers("llm_proxy"):
        named = (f"{name}={value!r}" for name, value in marker.kwargs.items() if name != UNUSED_OK)
        if wrong := [*map(repr, marker.args), *named]:
            raise pytest.UsageError(
                f"pytest.mark.llm_proxy takes {UNUSED_OK}=True or False, not {', '.join(wrong)}"
            )


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
        allowed = marker.kwargs.get(UNUSED_OK, allowed)
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
    from llm_proxy.settings import NAMES
    from llm_proxy.settings.reading import nearest

    settings: dict[str, str] = {}
    for line in config.getini("llm_proxy_settings"):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or not equals:
            raise _wrong(f"{line!r} is not of the form NAME=value")
        if name in NOT_FOR_TESTS:
            raise _wrong(
                f"{name} cannot be set: each test has a key of its own, "
                "which tells its requests from those of others, and the server would refuse it."
            )
        if name not in NAMES:
            near = nearest(name.upper(), NAMES)
            raise _wrong(
                f"{line!r}: there is no such setting" + (f"; is it {near}?" if near else "")
            )
        settings[name] = value
    return settings


def _wrong(problem: str) -> pytest.UsageError:
    return pytest.UsageError(f"llm_proxy_settings: {problem}")
