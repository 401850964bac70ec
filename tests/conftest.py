"""Settings of the test tools, and the server that the tests of real clients share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.servers import Server, running_gunicorn

if TYPE_CHECKING:
    from openai import OpenAI

pytest_plugins = ["pytester"]

# Machines are slow at times, and what a test costs is not what it is about.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A mock that echoes, for the tests of one module."""
    with running_gunicorn(MOCK_REPLY="echo") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> "Iterator[OpenAI]":
    """The official client of that mock, checking every answer."""
    from tests.sdk import client_of  # it takes a second to import, which few tests need

    with client_of(server, "/v1") as client:
        yield client
