"""OpenAI's own Python client and other readers of streams, when something goes wrong."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
import sseclient
from flask import Flask
from openai import OpenAI
from werkzeug.serving import make_server

from llm_proxy import mock
from llm_proxy.settings import MockSettings, ServerSettings
from llm_proxy.shell import hooks
from llm_proxy.shell.edge import Edge
from llm_proxy.sqlite.state import SqliteState
from tests.builders import empty_state, empty_store
from tests.sdk import client_of, user
from tests.servers import Server, new_session

TEXT = "héllo wörld 😀 there"
LEGAL = ["crlf", "no_space", "multi_line", "comment", "split_utf8", "coalesce", "slow_drip"]


def faulty(kind: str) -> dict[str, str]:
    return {"X-Mock-Fault": kind}


def chat(client: OpenAI, kind: str) -> str:
    with client.chat.completions.create(
        model="m", messages=[user(TEXT)], stream=True, extra_headers=faulty(kind)
    ) as stream:
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def responses(client: OpenAI, kind: str) -> str:
    """The text of the event that completes the response; empty if it did not come."""
    text = ""
    with client.responses.create(
        model="m", input=TEXT, stream=True, extra_headers=faulty(kind)
    ) as stream:
        for event in stream:
            if event.type == "response.completed":
                text = event.response.output_text
    return text


def with_sseclient(server: Server, kind: str) -> str:
    document = {"model": "m", "messages": [user(TEXT)], "stream": True}
    with (
        new_session() as session,
        session.post(
            server.url + "/v1/chat/completions", json=document, headers=faulty(kind), stream=True
        ) as response,
    ):
        payloads = (
            event.data for event in sseclient.SSEClient(response.iter_content(None)).events()
        )
        chunks = (json.loads(payload) for payload in payloads if payload != "[DONE]")
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


@pytest.mark.parametrize("kind", LEGAL)
@pytest.mark.parametrize("streamed", [chat, responses])
def test_the_client_reads_every_form_that_the_standard_allows(
    client: OpenAI, streamed: Callable[[OpenAI, str], str], kind: str
) -> None:
    assert streamed(client, kind) == TEXT


@pytest.mark.parametrize("kind", LEGAL)
def test_sseclient_reads_every_form_that_the_standard_allows(server: Server, kind: str) -> None:
    assert with_sseclient(server, kind) == TEXT


def test_an_event_without_a_blank_line_is_not_seen(client: OpenAI) -> None:
    """WHATWG HTML, 9.2.6: what the end of the stream leaves incomplete is discarded."""
    assert chat(client, "no_final_blank_line") == TEXT  # only [DONE] is missing
    assert responses(client, "no_final_blank_line") == ""


@pytest.mark.parametrize("streamed", [chat, responses])
@pytest.mark.parametrize("kind", ["disconnect; after=2", "reset; after=2", "disconnect", "reset"])
def test_the_client_raises_when_the_connection_ends(
    client: OpenAI, streamed: Callable[[OpenAI, str], str], kind: str
) -> None:
    with pytest.raises(openai.APIConnectionError):
        streamed(client, kind)


@pytest.mark.parametrize("streamed", [chat, responses])
def test_the_client_raises_on_a_malformed_chunk(
    client: OpenAI, streamed: Callable[[OpenAI, str], str]
) -> None:
    with pytest.raises(json.JSONDecodeError):
        streamed(client, "malformed; after=2")


@pytest.mark.parametrize("streamed", [chat, responses])
@pytest.mark.parametrize("after", [0, 1])
def test_the_client_raises_on_an_error_event(
    client: OpenAI, streamed: Callable[[OpenAI, str], str], after: int
) -> None:
    with pytest.raises(openai.APIError) as raised:
        streamed(client, f"error_event; after={after}")
    assert not isinstance(raised.value, openai.APIStatusError)  # it came in the stream
    assert raised.value.message == (
        "The server had an error while processing your request. Sorry about that!"
    )


def test_the_client_takes_a_truncated_stream_for_a_whole_one(client: OpenAI) -> None:
    assert chat(client, "truncate; after=2") == "héllo "
    assert responses(client, "truncate; after=2") == ""


def test_the_client_gives_up_on_a_stall(server: Server) -> None:
    with (
        client_of(server, "/v1") as client,
        pytest.raises(openai.APITimeoutError),
    ):
        chat(client.with_options(timeout=0.3), "stall")


@pytest.fixture
def state() -> SqliteState:
    return empty_state()


@pytest.fixture
def retrying(state: SqliteState) -> Iterator[OpenAI]:
    """A client that retries twice, of a mock in this process, whose state can be reached."""
    settings = ServerSettings()
    app = Flask(__name__)
    hooks.install(app, Edge(tell=lambda _: None), settings)
    half = mock.blueprint(MockSettings(reply="echo"), settings, state, empty_store())
    app.register_blueprint(half, url_prefix="/v1")
    served = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    try:
        with OpenAI(
            base_url=f"http://127.0.0.1:{served.port}/v1",
            api_key="x",
            max_retries=2,
            http_client=openai.DefaultHttpxClient(trust_env=False),
        ) as client:
            yield client
    finally:
        served.shutdown()
        thread.join()
        served.server_close()


def say(client: OpenAI) -> str | None:
    answer = client.chat.completions.create(model="m", messages=[user(TEXT)])
    return answer.choices[0].message.content


QUEUED: list[dict[str, Any]] = [
    {"status": 429, "retryAfter": 0.01},
    {"status": 503, "retryAfter": 0.01},
    {"status": 500, "retryAfter": 0.01, "delayMs": 1},
]


@pytest.mark.parametrize("document", QUEUED, ids=lambda document: str(document["status"]))
def test_the_client_succeeds_at_the_third_try(
    retrying: OpenAI, state: SqliteState, document: dict[str, Any]
) -> None:
    state.add("fault", "", document, times=2)
    assert say(retrying) == TEXT
    assert list(state.scripted("fault")) == []


def test_the_client_gives_up_after_the_third_try(retrying: OpenAI, state: SqliteState) -> None:
    state.add("fault", "", {"status": 429, "retryAfter": 0.01, "message": "slowly"}, times=3)
    with pytest.raises(openai.RateLimitError) as raised:
        say(retrying)
    assert raised.value.response.headers["retry-after-ms"] == "10"
    assert raised.value.code == "rate_limit_exceeded"
    assert list(state.scripted("fault")) == []


def test_a_resource_uses_the_queue_too(retrying: OpenAI, state: SqliteState) -> None:
    state.add("fault", "", {"status": 503, "retryAfter": 0.01}, times=1)
    assert retrying.models.list().data
    assert list(state.scripted("fault")) == []


def test_a_client_without_a_retry_sees_the_drop(retrying: OpenAI, state: SqliteState) -> None:
    state.add("fault", "", {"kind": "disconnect"}, times=1)
    with pytest.raises(openai.APIConnectionError):
        say(retrying.with_options(max_retries=0))
    assert say(retrying) == TEXT
