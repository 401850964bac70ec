"""What is made of an exchange: a command, a fixture and a test, each of which is tried."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.builders import chat_document, client, documents, read
from tests.servers import PATIENCE_SECONDS, ROOT, Server, running_gunicorn

CHAT = "/v1/chat/completions"
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
SCRIPTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (CHAT, chat_document('it\'s "so"\n$HOME `x` é'), {"content": "one two three"}),
    (CHAT, chat_document(stream=True), {"content": "one {{two}} three", "reasoning": "why not"}),
    (CHAT, chat_document(stream=True), {"refusal": "no, never"}),
    (
        CHAT,
        chat_document("weather?", tools=TOOLS, stream=True),
        {"content": "Let me see.", "toolCalls": [{"name": "weather", "arguments": '{"a":"b"}'}]},
    ),
    (CHAT, chat_document("weather?", tools=TOOLS), {"toolCalls": [{"name": "weather"}]}),
    (CHAT, chat_document(), {"error": {"message": "too many"}, "status": 429}),
    ("/v1/completions", {"model": "gpt-4o", "prompt": "say"}, {"content": "something"}),
    ("/v1/responses", {"model": "gpt-4o", "input": "say"}, {"content": "something"}),
]


def exchange(caller: FlaskClient, path: str, body: Any, response: Any) -> str:
    """The id of an exchange that was scripted."""
    scripted = caller.post("/control/fixtures", json={"match": {}, "response": response})
    assert scripted.status_code == 201
    answer = caller.post(path, json=body, headers={"Authorization": "Bearer my-key"})
    assert answer.data
    answer.close()
    return str(answer.headers["x-request-id"])


def said(answer: Any) -> Any:
    """What an answer says, without what differs each time."""
    if answer.mimetype == "text/event-stream":
        chunks = [one for one in documents(answer.data) if one != "[DONE]"]
        return [(one["choices"], one.get("usage")) for one in chunks]
    document = read(answer)
    return (answer.status_code, document.get("error"), document.get("choices"))


@pytest.mark.parametrize(("path", "body", "response"), SCRIPTED)
def test_a_fixture_replays_the_reply(path: str, body: Any, response: Any, tmp_path: Path) -> None:
    caller = client()
    name = exchange(caller, path, body, response)
    made = caller.get(f"/control/requests/{name}/fixture")
    assert made.status_code == 200
    (tmp_path / "made.json").write_bytes(made.data)
    again = client(MOCK_FIXTURES=str(tmp_path), MOCK_REPLY="none", MOCK_REPLAY_SPEED="0")
    first, second = (one.post(path, json=body) for one in (caller, again))
    if body.get("tools"):  # ids of calls are made up anew where a script gives none
        assert first.status_code == second.status_code
        return
    assert said(first) == said(second)


@pytest.mark.parametrize(("path", "body", "response"), SCRIPTED)
def test_a_test_that_is_made_passes(
    path: str, body: Any, response: Any, pytester: pytest.Pytester, monkeypatch: Any
) -> None:
    caller = client()
    made = caller.get(f"/control/requests/{exchange(caller, path, body, response)}/pytest")
    assert made.status_code == 200, made.data
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("NO_PROXY", "*")
    pytester.makepyfile(made.text)
    result = pytester.runpytest_subprocess("-pllm_proxy.testing.plugin", timeout=PATIENCE_SECONDS)
    result.assert_outcomes(passed=1)


@pytest.fixture(scope="module")
def echo() -> Iterator[Server]:
    with running_gunicorn(MOCK_REPLY="echo") as server:
        yield server


@pytest.mark.parametrize(
    "text",
    ["plain", 'it\'s "quoted" $HOME `ls` \\ !', "'; echo broken; '", "line\nbreak é \U0001f600"],
)
def test_a_command_repeats_the_request(echo: Server, text: str) -> None:
    headers = {"Authorization": "Bearer my-key", "X-Mock-Namespace": "cu'rl", "X-Note": "a 'b' $c"}
    first = echo.request("POST", f"{CHAT}?a=b'c", json=chat_document(text), headers=headers)
    name = first.headers["x-request-id"]
    command = echo.request("GET", f"/control/requests/{name}/curl").text
    assert "my-key" not in command
    environ = {"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "my-key", "NO_PROXY": "*"}
    ran = subprocess.run(["/bin/sh", "-c", command], env=environ, capture_output=True, check=True)
    assert json.loads(ran.stdout)["choices"] == first.json()["choices"]
    repeated = echo.request("GET", "/control/requests?limit=1").json()["data"][0]["id"]
    compared = echo.request("GET", f"/control/requests/{name}/diff/{repeated}").json()
    assert repeated != name
    assert compared == {"a": name, "b": repeated, "same": True, "differences": []}


def test_of_what_is_no_reply_no_fixture_can_be_made() -> None:
    caller = client()
    name = caller.get("/v1/models").headers["x-request-id"]
    for kind in ("fixture", "pytest"):
        answer = caller.get(f"/control/requests/{name}/{kind}")
        assert answer.status_code == 404
        assert "fixture can be made" in read(answer)["error"]["message"]


@pytest.mark.parametrize("kind", ["", "/curl", "/fixture", "/pytest", "/diff/req_b"])
def test_what_the_journal_has_not_is_not_found(kind: str) -> None:
    answer = client().get(f"/control/requests/req_a{kind}")
    assert answer.status_code == 404
    assert read(answer)["error"]["message"] == "The journal has no exchange 'req_a'."


def test_a_difference_tells_where_it_is() -> None:
    caller = client(MOCK_REPLY="echo")
    bodies = [
        chat_document("one", n=1, metadata={"a/b": "x"}),
        chat_document("two", n=True, metadata={}, stop="y"),
    ]
    one, two = (caller.post(CHAT, json=body).headers["x-request-id"] for body in bodies)
    compared = read(caller.get(f"/control/requests/{one}/diff/{two}"))
    assert not compared["same"]
    found = {each["path"]: each for each in compared["differences"]}
    assert found["/request/messages/0/content"]["a"] == "one"
    assert found["/request/messages/0/content"]["b"] == "two"
    assert found["/request/metadata/a~1b"] == {"path": "/request/metadata/a~1b", "a": "x"}
    assert found["/request/stop"] == {"path": "/request/stop", "b": "y"}
    assert found["/request/n"] == {"path": "/request/n", "a": 1, "b": True}
