"""What is made of an exchange: a command, a fixture and a test, each of which is tried."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.builders import chat_document, client, documents, read
from tests.raw_client import RawAnswer, asked
from tests.servers import PATIENCE_SECONDS, ROOT, Server, running_gunicorn

CHAT = "/v1/chat/completions"
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
CUSTOM = [{"type": "custom", "custom": {"name": "shell"}}]
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
    (CHAT, chat_document("weather?", tools=CUSTOM), {"toolCalls": [{"name": "shell"}]}),
    (
        CHAT,
        chat_document("weather?", functions=[TOOLS[0]["function"]]),
        {"toolCalls": [{"name": "weather"}]},
    ),
    (CHAT, chat_document(), {"error": {"message": "too many"}, "status": 429}),
    ("/v1/completions", {"model": "gpt-4o", "prompt": "say"}, {"content": "something"}),
    ("/v1/completions", {"model": "gpt-4o", "prompt": "say", "echo": True}, {"content": " it"}),
    ("/v1/responses", {"model": "gpt-4o", "input": "say"}, {"content": "something"}),
    (
        "/v1/responses",
        {"model": "gpt-4o", "input": "say", "tools": [{"type": "custom", "name": "shell"}]},
        {"toolCalls": [{"name": "shell", "arguments": "ls"}]},
    ),
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
    if body.get("tools") or body.get(
        "functions"
    ):  # ids of calls are made up anew where a script gives none
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


BROKEN = [
    (CHAT, chat_document("one two three four", stream=True)),
    (CHAT, chat_document("one two three four")),
    ("/v1/responses", {"model": "gpt-4o", "input": "one two three four", "stream": True}),
    ("/v1/completions", {"model": "gpt-4o", "prompt": "one two three four", "stream": True}),
]


@pytest.mark.parametrize(("path", "body"), BROKEN)
@pytest.mark.parametrize("fault", ["disconnect", "reset", "truncate", "error_event", "malformed"])
@pytest.mark.parametrize("after", [1, 3, 6, 99])
def test_a_fixture_fails_alike(
    echo: Server, path: str, body: dict[str, Any], fault: str, after: int
) -> None:
    scope = {"X-Mock-Namespace": f"{fault} {after} {path} {body.get('stream')}"}
    first = asked(echo.url, path, body, scope | {"X-Mock-Fault": f"{fault}; after={after}"})
    name = first.headers["x-request-id"]
    made = echo.request("GET", f"/control/requests/{name}/fixture", headers=scope)
    assert made.status_code == 200, made.text
    added = echo.request("POST", "/control/fixtures", json=made.json(), headers=scope)
    assert added.status_code == 201
    again = asked(echo.url, path, body, scope)
    assert (again.status, again.end, what_came(again)) == (
        first.status,
        first.end,
        what_came(first),
    )


def what_came(answer: RawAnswer) -> tuple[int, list[bytes]]:
    """How many events came, and the texts in them; of a JSON answer its length."""
    texts = re.findall(rb'"(?:content|delta|text|message)":"([^"]*)"', answer.body)
    return answer.body.count(b"\n\n") or len(answer.body), texts


def test_of_a_reply_that_broke_off_no_test_is_made(echo: Server) -> None:
    body = chat_document("one two three four", stream=True)
    broken = asked(echo.url, CHAT, body, {"X-Mock-Fault": "truncate; after=2"})
    name = broken.headers["x-request-id"]
    answer = echo.request("GET", f"/control/requests/{name}/pytest")
    assert answer.status_code == 404
    assert "broke off" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "text",
    ["plain", 'it\'s "quoted" $HOME `ls` \\ !', "'; echo broken; '", "line\nbreak é \U0001f600"],
)
def test_a_command_repeats_the_request(echo: Server, text: str) -> None:
    headers = {"Authorization": "Bearer my-key", "X-Mock-Namespace": "cu'rl", "X-Note": "a 'b' $c"}
    first = echo.request("POST", f"{CHAT}?a=b'c", json=chat_document(text), headers=headers)
    name = first.headers["x-request-id"]
    assert "my-key" not in echo.request("GET", f"/control/requests/{name}/curl").text
    again, answer = ran(echo, name)
    assert json.loads(answer)["choices"] == first.json()["choices"]
    repeated = again["id"]
    compared = echo.request("GET", f"/control/requests/{name}/diff/{repeated}").json()
    assert compared == {"a": name, "b": repeated, "same": True, "differences": []}


def test_a_command_uploads_no_file(echo: Server, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    for body in (b"@secret", b'"@secret"'):
        first = echo.request("POST", CHAT, data=body)
        assert first.status_code == 400
        repeated, _ = ran(echo, first.headers["x-request-id"], cwd=tmp_path)
        assert repeated["request"] == "@secret"
        assert repeated["requestBytes"] == len(body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/a[1-3]{b,c}%20d%3Fe%23f%25g'"),
        ("GET", "/v1/%2e%2e/v1/./models/caf%C3%A9"),
        ("GET", "/v1/models?a=[1-3]{b,c}&d=%20%23'"),
        ("GET|ID'`$", "/v1/models"),
        ("HEAD", "/v1/models"),
    ],
)
def test_a_command_asks_for_the_same_url(
    echo: Server, method: str, path: str, tmp_path: Path
) -> None:
    name = asked(echo.url, path, None, method=method).headers["x-request-id"]
    first = echo.request("GET", f"/control/requests/{name}").json()
    repeated, _ = ran(echo, name, cwd=tmp_path)
    for part in ("method", "path", "query", "status"):
        assert repeated[part] == first[part]
    assert list(tmp_path.iterdir()) == []


def test_a_command_repeats_a_long_request(echo: Server) -> None:
    text = "it's long " * 20_000
    first = echo.request("POST", CHAT, json=chat_document(text))
    repeated, answer = ran(echo, first.headers["x-request-id"])
    assert repeated["requestBytes"] == len(first.request.body or b"")
    assert json.loads(answer)["choices"] == first.json()["choices"]


@pytest.mark.parametrize("kind", ["curl", "fixture", "pytest"])
def test_of_a_request_that_was_too_long_to_be_kept_nothing_is_made(kind: str) -> None:
    caller = client()
    name = caller.post(CHAT, json=chat_document("x" * 300_000)).headers["x-request-id"]
    answer = caller.get(f"/control/requests/{name}/{kind}")
    assert answer.status_code == 404
    assert "300066 bytes, too long to be kept" in read(answer)["error"]["message"]


def ran(server: Server, name: str, cwd: Path | None = None) -> tuple[Any, bytes]:
    """What the journal has of an exchange that was repeated by its command, and the answer."""
    command = server.request("GET", f"/control/requests/{name}/curl").text
    environ = {"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "my-key", "NO_PROXY": "*"}
    shell = subprocess.run(
        ["/bin/sh"],
        input=command.encode(),
        env=environ,
        cwd=cwd,
        capture_output=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    newest = server.request("GET", "/control/requests?limit=1").json()["data"][0]
    assert newest["id"] != name
    return server.request("GET", f"/control/requests/{newest['id']}").json(), shell.stdout


def test_of_a_request_that_goes_on_from_another_no_test_is_made() -> None:
    caller = client()
    first = read(caller.post("/v1/responses", json={"model": "gpt-4o", "input": "say"}))
    body = {"model": "gpt-4o", "input": "more", "previous_response_id": first["id"]}
    name = caller.post("/v1/responses", json=body).headers["x-request-id"]
    assert caller.get(f"/control/requests/{name}/fixture").status_code == 200
    answer = caller.get(f"/control/requests/{name}/pytest")
    assert answer.status_code == 404
    assert "goes on from what this server holds" in read(answer)["error"]["message"]


def test_of_what_is_no_reply_no_fixture_can_be_made() -> None:
    caller = client()
    name = caller.get("/v1/models").headers["x-request-id"]
    for kind in ("fixture", "pytest"):
        answer = caller.get(f"/control/requests/{name}/{kind}")
        assert answer.status_code == 404
        assert "fixture can be made" in read(answer)["error"]["message"]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (CHAT, chat_document(messages=[{"role": "user", "content": [IMAGE]}])),
        (CHAT, chat_document(messages=[{"role": "system", "content": "Go on."}])),
        ("/v1/completions", {"model": "m", "prompt": [1, 2]}),
        ("/v1/completions", {"model": "m", "prompt": ["a", "b"]}),
    ],
)
def test_of_what_has_not_one_text_no_fixture_can_be_made(path: str, document: Any) -> None:
    caller = client()
    name = caller.post(path, json=document).headers["x-request-id"]
    answer = caller.get(f"/control/requests/{name}/fixture")
    assert answer.status_code == 404
    assert "the text of one question" in read(answer)["error"]["message"]


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


@pytest.mark.parametrize(("other", "same"), [("x", True), ("y", False)])
def test_requests_that_were_too_long_to_be_kept_are_told_apart(other: str, same: bool) -> None:
    caller = client()
    assert (
        caller.post(
            "/control/fixtures", json={"match": {}, "response": {"content": "so"}}
        ).status_code
        == 201
    )
    one, two = (
        caller.post(CHAT, json=chat_document(letter * 300_000)).headers["x-request-id"]
        for letter in ("x", other)
    )
    compared = read(caller.get(f"/control/requests/{one}/diff/{two}"))
    found = [each["path"] for each in compared["differences"]]
    assert (compared["same"], found) == (same, [] if same else ["/requestDigest"])
    page = caller.get(f"/exchanges/{one}/compare/{two}").text
    request = page.partition('id="request"')[2]
    assert ("The same in both" in request) is same
