"""Fixtures of a real server: every field, both surfaces, changes while it runs, wrong ones."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import Document, fixture, text
from tests.servers import GUNICORN, Server, ended, running_gunicorn, worker

LOOK = {"type": "function", "function": {"name": "look", "parameters": {}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
USER = {"role": "user", "content": "hi"}
ASSISTANT = {"role": "assistant", "content": "well"}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}

FIXTURES = """
fixtures:
- {match: {userMessage: "by user"}, response: {content: user message}}
- {match: {userMessage: {regex: "(?i)by PATTERN (?P<what>.+)"}}, response: {content: "pattern {{ what }}"}}
- {match: {systemMessage: [one, two]}, response: {content: system message}}
- {match: {model: special-*}, response: {content: model}}
- {match: {toolName: look, userMessage: "by tool"}, response: {content: tool name}}
- {match: {toolCallId: call_1, toolResultContains: rain}, response: {content: tool result}}
- {match: {toolCallId: call_1}, response: {content: tool call}}
- {match: {hasToolResult: true}, response: {content: has tool result}}
- {match: {turnIndex: 2}, response: {content: turn}}
- {match: {responseFormat: json_object}, response: {content: {format: true}}}
- {match: {context: tenant}, response: {content: context}}
- {match: {namespace: mine}, response: {content: namespace}}
- {match: {userMessage: again, sequenceIndex: 0}, response: {content: first}}
- {match: {userMessage: again, sequenceIndex: 1}, response: {content: second}}
- {match: {endpoint: completions}, response: {content: completions}}
- {match: {endpoint: responses}, response: {content: responses}}
- {match: {userMessage: named}, name: named, response: {content: name}}
- {match: {inputText: vector}, response: {embedding: [1, 2]}}
"""  # noqa: E501


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fixtures")
    (folder / "all.yaml").write_text(FIXTURES)
    with running_gunicorn(MOCK_FIXTURES=str(folder), MOCK_REPLY="none") as running:
        yield running


def ask(server: Server, *messages: Document, **fields: Any) -> str:
    """What is said in a chat, or the code of the error."""
    headers = fields.pop("headers", {})
    sent = {"model": "gpt-4o", "messages": messages or [USER], **fields}
    answer = server.request("POST", "/v1/chat/completions", json=sent, headers=headers).json()
    said: str = (
        answer["error"]["code"] if "error" in answer else answer["choices"][0]["message"]["content"]
    )
    return said


def user(content: str) -> Document:
    return {"role": "user", "content": content}


CASES: dict[str, tuple[list[Document], dict[str, Any]]] = {
    "user message": ([user("asked by user")], {}),
    "pattern THIS": ([user("by pattern THIS")], {}),
    "system message": ([{"role": "system", "content": "two one"}, USER], {}),
    "model": ([USER], {"model": "special-1"}),
    "tool name": ([user("by tool")], {"tools": [LOOK]}),
    "tool result": ([USER, CALLED, {**RESULT, "content": "rainy"}], {}),
    "tool call": ([USER, CALLED, RESULT], {}),
    "has tool result": ([USER, CALLED, RESULT, ASSISTANT], {}),
    "turn": ([USER, ASSISTANT, USER, ASSISTANT, USER], {}),
    '{"format":true}': ([USER], {"response_format": {"type": "json_object"}}),
    "context": ([USER], {"headers": {"X-AIMock-Context": "tenant"}}),
    "namespace": ([USER], {"headers": {"X-Mock-Namespace": "mine"}}),
    "name": ([USER], {"headers": {"X-Mock-Fixture": "named"}}),
    "no_fixture_match": ([USER], {}),
}


@pytest.mark.parametrize(("said", "case"), CASES.items(), ids=CASES)
def test_every_field_is_matched(
    server: Server, said: str, case: tuple[list[Document], dict[str, Any]]
) -> None:
    messages, fields = case
    assert ask(server, *messages, **fields) == said


@pytest.mark.parametrize("namespace", ["a", "b"])
def test_a_sequence_is_counted_for_each_namespace(server: Server, namespace: str) -> None:
    headers = {"X-Mock-Namespace": namespace}
    said = [ask(server, user("again"), headers=headers) for _ in range(3)]
    assert said == ["first", "second", "no_fixture_match"]


def test_the_other_surfaces_have_fixtures_too(server: Server) -> None:
    sent = {"model": "gpt-4o", "input": "by user"}
    response = server.request("POST", "/v1/responses", json=sent).json()
    assert response["output"][0]["content"][0]["text"] == "user message"
    response = server.request("POST", "/v1/responses", json={**sent, "input": "hi"}).json()
    assert response["output"][0]["content"][0]["text"] == "responses"
    sent = {"model": "gpt-4o", "prompt": "hi"}
    completion = server.request("POST", "/v1/completions", json=sent).json()
    assert completion["choices"][0]["text"] == "completions"
    sent = {"model": "text-embedding-3-small", "input": "a vector"}
    embedding = server.request("POST", "/v1/embeddings", json=sent).json()
    assert embedding["data"][0]["embedding"] == [1, 2]


def test_the_log_tells_which_fixture_answered_and_why_none_did(server: Server) -> None:
    ask(server, user("by user of the log"))
    server.wait_for_log(lambda line: 'source="fixture all.yaml#1"' in line)
    ask(server, user("nothing of the log"))
    line = server.wait_for_log(lambda line: "nothing of the log" in line)
    assert "WARNING No fixture answers a request. Nearest: all.yaml#" in line


def write(file: Path, content: str) -> None:
    """Put a new file in the place of another, at once."""
    beside = file.with_name(f".{file.name}")
    beside.write_text(content)
    os.replace(beside, file)


def test_a_change_is_seen_and_a_broken_one_is_not_used(tmp_path: Path) -> None:
    file, more = tmp_path / "a.json", tmp_path / "b.json"
    file.write_text(text(fixture({}, {"content": "old"})))
    with running_gunicorn(MOCK_FIXTURES=str(tmp_path), MOCK_REPLY="none") as server:
        assert ask(server) == "old"
        write(file, text(fixture({}, {"content": "new"})))
        assert ask(server) == "new"
        write(file, text(fixture(), fixture({"userMesage": "a"})))
        assert [ask(server) for _ in range(3)] == ["new"] * 3
        broken = server.wait_for_log(lambda line: "a.json#2" in line)
        assert "match.userMesage" in broken
        assert "'userMessage'" in broken
        assert sum("are broken" in line for line in server.log_lines()) == 1
        write(file, text(fixture({"userMessage": "x"})))
        write(more, text(fixture({}, {"content": "added"})))
        assert ask(server) == "added"
        more.unlink()
        assert ask(server) == "no_fixture_match"
        file.unlink()
        assert ask(server, user("x")) == "said"


def test_a_single_file_is_watched_too(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(text(fixture({}, {"content": "old"})))
    with running_gunicorn(MOCK_FIXTURES=str(file)) as server:
        assert ask(server) == "old"
        write(file, text(fixture({}, {"content": "new"})))
        assert ask(server) == "new"


def test_broken_fixtures_stop_the_start_in_the_list_of_wrong_settings(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text(fixture({"userMesage": "a"}), {"match": {}}))
    alone = ended(GUNICORN, MOCK_FIXTURES=str(tmp_path))
    assert alone.returncode != 0
    told = [
        "These settings are wrong:",
        "  MOCK_FIXTURES: a.json#1: match.userMesage: the key 'userMesage' is not known; "
        "is it 'userMessage'?",
        "  MOCK_FIXTURES: a.json#2: Object missing required field `response`",
    ]
    assert [line for line in alone.stderr.splitlines() if line in told] == told


def test_fixtures_are_checked_for_other_ends(tmp_path: Path) -> None:
    def validated(*arguments: str) -> tuple[int, list[str]]:
        command = (sys.executable, "-m", "llm_proxy", "validate", *arguments)
        done = ended(command)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    file = tmp_path / "a.json"
    file.write_text(text(fixture({"userMessage": "a"}), fixture({"userMessage": "b"})))
    assert validated(str(file)) == (0, ["2 good fixtures, 0 errors, 0 warnings"])
    file.write_text(text(fixture(), fixture({"userMessage": "b"})))
    warned = "warning: a.json#2: it never matches: a.json#1 matches first, whenever it would"
    assert validated(str(tmp_path)) == (0, [warned, "2 good fixtures, 0 errors, 1 warnings"])
    assert validated(str(tmp_path), "--strict")[0] == 1
    file.write_text(json.dumps({"fixtures": [{"match": {"modle": "a"}, "response": {}}]}))
    wrong = "error: a.json#1: match.modle: the key 'modle' is not known; is it 'model'?"
    assert validated(str(file)) == (1, [wrong, "0 good fixtures, 1 errors, 0 warnings"])


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGHUP])
def test_a_worker_that_is_replaced_while_fixtures_are_broken_has_the_good_ones(
    tmp_path: Path, end: signal.Signals
) -> None:
    """One that refused to start would be started again for ever, or end the whole server."""
    file = tmp_path / "a.json"
    file.write_text(text(fixture({}, {"content": "old"})))
    with running_gunicorn(MOCK_FIXTURES=str(tmp_path), MOCK_REPLY="none") as server:
        assert ask(server) == "old"
        write(file, text(fixture({"userMesage": "a"}), fixture({}, {"content": "good"})))
        assert ask(server) == "old"
        if end == signal.SIGKILL:
            os.kill(int(worker(server).name), end)
        else:
            server.process.send_signal(end)
        server.wait_for_log(lambda line: "are broken; the good ones are in use" in line)
        server.wait_for_logs(2, lambda line: "Booting worker" in line)
        if end == signal.SIGHUP:
            server.wait_for_log(lambda line: "Worker exiting" in line)
        assert ask(server) == "good"
        write(file, text(fixture({}, {"content": "new"})))
        assert ask(server) == "new"
