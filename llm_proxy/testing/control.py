"""Calls of the control API: over HTTP to a server, or in-process to the application."""

import http.client
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from flask import Flask

Call = Callable[[str, str, Mapping[str, Any] | None], Any]
"""One call: method, path and JSON body in, JSON document out; raises `ControlError`."""

PATIENCE_SECONDS = 30.0


class ControlError(AssertionError):
    """The server refused a call; its message says why."""


def http_call(url: str) -> Call:
    """Calls of the server at `url`.

    A plain connection, as tests may well replace what lies above it, or set up a proxy.
    """
    server = urlsplit(url)
    assert server.hostname is not None

    def call(method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        connection = http.client.HTTPConnection(
            str(server.hostname), server.port, timeout=PATIENCE_SECONDS
        )
        try:
            connection.request(method, path, **_sent(body))
            answer = connection.getresponse()
            return _received(answer.status, answer.read())
        finally:
            connection.close()

    return call


def app_call(app: "Flask") -> Call:
    """Calls of an application in this process."""
    client = app.test_client()

    def call(method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        sent = _sent(body)
        answer = client.open(path, method=method, data=sent["body"], headers=sent["headers"])
        return _received(answer.status_code, answer.get_data())

    return call


def _sent(body: Mapping[str, Any] | None) -> dict[str, Any]:
    if body is None:
        return {"body": None, "headers": {}}
    return {"body": json.dumps(body), "headers": {"Content-Type": "application/json"}}


def _received(status: int, body: bytes) -> Any:
    document: Any = json.loads(body) if body else None
    if status >= 400:
        raise ControlError(document["error"]["message"])
    return document
