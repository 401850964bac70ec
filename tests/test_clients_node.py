"""Clients for Node, pointed at the mock: the official one, and Vercel's AI SDK.

The scripts in `tests/node` tell on a line of JSON how each of their checks went.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.npm import installed
from tests.servers import Server, running_gunicorn

FOLDER = Path(__file__).parent / "node"

SCRIPT_SECONDS = 120

OPENAI = (
    "chat",
    "chat, headers",
    "chat, streamed with usage",
    "chat, stream helper",
    "chat, tools looped by the client",
    "chat, tools looped in streams",
    "chat, streamed call",
    "chat, parsed",
    "chat, parsed stream",
    "chat, aborted",
    "chat, left early",
    "chat, error",
    "chat, stored",
    "responses",
    "responses, streamed",
    "responses, parsed",
    "responses, tools",
    "responses, aborted",
    "completions, streamed",
    "embeddings",
    "moderations",
    "models",
)
VERCEL = (
    *(
        f"{kind}, {what}"
        for kind in ("chat", "responses", "compatible")
        for what in (
            "generateText",
            "streamText",
            "a further turn",
            "generateText with tools",
            "streamText with tools",
            "toolChoice required",
            "generateObject",
            "streamObject",
            "Output.object",
            "aborted",
            "error",
        )
    ),
    *(
        f"{kind}, {what}"
        for kind in ("openai", "compatible")
        for what in ("completion", "embedMany")
    ),
)
CHECKS = {"openai.mjs": OPENAI, "vercel.mjs": VERCEL}
LEFT = {
    "openai.mjs": ("aborted-by-openai", "left-by-openai", "aborted-by-openai-responses"),
    "vercel.mjs": ("aborted-by-chat", "aborted-by-responses", "aborted-by-compatible"),
}
"""The models of requests that a script breaks off."""


class Scripts:
    """Runs each script once, and keeps what its checks told: nothing, or an error."""

    def __init__(self, server: Server, slow: Server) -> None:
        self.slow = slow
        self._environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "BASE_URL": server.url + "/v1",
            "SLOW_BASE_URL": slow.url + "/v1",
        }
        self.results = cache(self._run)

    def _run(self, script: str) -> Mapping[str, str | None]:
        ended = subprocess.run(
            ["node", script],
            check=False,
            cwd=FOLDER,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SCRIPT_SECONDS,
        )
        assert ended.returncode == 0, ended.stderr
        told = [json.loads(line) for line in ended.stdout.splitlines()]
        return {one["check"]: one["error"] for one in told}


@pytest.fixture(scope="session")
def clients() -> None:
    """The clients of `package-lock.json`, installed into `tests/node/node_modules`."""
    installed(FOLDER)


@pytest.fixture(scope="module")
def scripts(clients: None) -> Iterator[Scripts]:  # noqa: ARG001 - it only has to come first
    with (
        running_gunicorn(MOCK_REPLY="echo") as server,
        running_gunicorn(MOCK_REPLY="echo", MOCK_TOKENS_PER_SECOND="20") as slow,
    ):
        yield Scripts(server, slow)


@pytest.mark.parametrize(
    ("script", "name"), [(script, name) for script, names in CHECKS.items() for name in names]
)
def test_a_client_is_content(scripts: Scripts, script: str, name: str) -> None:
    error = scripts.results(script)[name]
    assert error is None, error


@pytest.mark.parametrize("script", CHECKS)
def test_every_check_of_a_script_is_looked_at(scripts: Scripts, script: str) -> None:
    assert tuple(scripts.results(script)) == CHECKS[script]


@pytest.mark.parametrize(
    ("script", "model"), [(script, model) for script, models in LEFT.items() for model in models]
)
def test_a_request_that_is_broken_off_ends_at_the_server_too(
    scripts: Scripts, script: str, model: str
) -> None:
    scripts.results(script)
    line = scripts.slow.wait_for_log(lambda line: f" model={model} " in line)
    assert 'end="client gone"' in line
