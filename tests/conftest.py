"""Settings of the test tools, and the server that the tests of real clients share."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.servers import Running, Server, running_gevent, running_gunicorn

if TYPE_CHECKING:
    from openai import OpenAI

pytest_plugins = ["pytester"]

# Machines are slow at times, and what a test costs is not what it is about.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="module", params=["threads", "greenlets"])
def gunicorn(request: pytest.FixtureRequest) -> Running:
    """gunicorn with each of the worker classes that are documented."""
    if request.param == "threads":
        return running_gunicorn
    pytest.importorskip("gevent")
    return running_gevent


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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of it for 127.0.0.1, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    both = tmp_path_factory.mktemp("tls") / "both.pem"
    key = "req -x509 -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    name = "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", str(both), "-out", "-"]
    made = subprocess.run([openssl, *key.split(), *name.split(), *files], capture_output=True)
    assert made.returncode == 0, made.stderr
    with both.open("ab") as file:
        file.write(made.stdout)
    return both
