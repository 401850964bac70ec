"""Recording with real servers: one mock asks another, and passes its answers on."""

import json
import os
import signal
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.builders import chat_document, documents
from tests.raw_upstream import CHUNKED_HEAD, Act, chunk, event, head, raw_upstream
from tests.servers import Server, new_session, running_gunicorn
from tests.test_recording import told

KEY = "sk-clientclientclient"
KEYS = {"Authorization": f"Bearer {KEY}"}
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture(scope="module")
def api() -> Iterator[Server]:
    """What is recorded: a mock that echoes, and takes some time for each token."""
    with running_gunicorn(
        MOCK_REPLY="echo", MOCK_TTFT_MS="50", MOCK_TOKENS_PER_SECOND="200", MOCK_SEED="5"
    ) as server:
        yield server


@contextmanager
def recording(base: str, folder: Path, **env: str) -> Iterator[Server]:
    env = {"LLM_PROXY_LOG_LEVEL": "debug", **env}
    with running_gunicorn(MOCK_RECORD=base, MOCK_FIXTURES=str(folder), **env) as server:
        yield server


def recorded(folder: Path) -> list[Any]:
    """The fixtures in the folder, in the order of their files' names."""
    files = sorted((folder / "recorded").glob("*"))
    return [fixture for file in files for fixture in json.loads(file.read_text())["fixtures"]]


def is_recorded(line: str) -> bool:
    return " Recorded " in line


def post(server: Server, path: str, document: object, **headers: str) -> requests.Response:
    return server.request("POST", path, json=document, headers={**KEYS, **headers})


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", chat_document("Say this, please.")),
    "tools": (
        "/v1/chat/completions",
        chat_document("get_weather", tools=[TOOL], tool_choice="required"),
    ),
    "limited": ("/v1/chat/completions", chat_document("one two three four", max_tokens=2)),
    "completions": ("/v1/completions", {"model": "m", "prompt": "a b c", "echo": True}),
    "fim": ("/v1/fim/completions", {"model": "m", "prompt": "a b", "suffix": "c"}),
    "responses": ("/v1/responses", {"model": "m", "input": "Say this, too."}),
}


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """An answer without what is made anew for each one."""
    names = ("id", "created", "created_at", "completed_at")
    for item in document.get("output", ()):
        item.pop("id")
    return {name: value for name, value in document.items() if name not in names}


@pytest.mark.parametrize("what", ASKED)
def test_an_answer_is_the_same_as_that_of_the_api_behind(
    api: Server, tmp_path: Path, what: str
) -> None:
    path, document = ASKED[what]
    with recording(f"{api.url}/v1", tmp_path) as server:
        ours = post(server, path, document)
        server.wait_for_log(is_recorded)
    theirs = post(api, path, document)
    assert ours.status_code == theirs.status_code == 200
    assert comparable(ours.json()) == comparable(theirs.json())
    assert len(recorded(tmp_path)) == 1


@pytest.mark.parametrize("what", ["chat", "tools", "limited", "completions"])
def test_a_stream_is_the_same_as_that_of_the_api_behind(
    api: Server, tmp_path: Path, what: str
) -> None:
    path, document = ASKED[what]
    document = {**document, "stream": True, "stream_options": {"include_usage": True}}
    with recording(f"{api.url}/v1", tmp_path) as server:
        ours = post(server, path, document)
        server.wait_for_log(is_recorded)
    theirs = post(api, path, document)
    assert [e if e == "[DONE]" else comparable(e) for e in documents(ours.content)] == [
        e if e == "[DONE]" else comparable(e) for e in documents(theirs.content)
    ]
    (fixture,) = recorded(tmp_path)
    timings = fixture["recordedTimings"]
    assert len(timings["chunkLengths"]) == len(timings["intervalsMs"]) + 1
    assert timings["ttftMs"] >= 50


def test_a_client_that_asks_for_no_usage_gets_none(api: Server, tmp_path: Path) -> None:
    with recording(f"{api.url}/v1", tmp_path) as server:
        answer = post(server, "/v1/chat/completions", chat_document("hi", stream=True))
        server.wait_for_log(is_recorded)
    assert "usage" not in answer.text
    assert recorded(tmp_path)[0]["response"]["usage"]["completion_tokens"] == 1


def test_a_recording_is_a_file_for_its_owner_that_holds_no_key(api: Server, tmp_path: Path) -> None:
    document = chat_document(f"My key is {KEY}.")
    with recording(f"{api.url}/v1", tmp_path, MOCK_RECORD_KEY="sk-ours-ours-ours") as server:
        assert post(server, "/v1/chat/completions", document).status_code == 200
        server.wait_for_log(is_recorded)
        server.wait_for_log(lambda line: "source=recorded" in line)
        log = "\n".join(server.log_lines())
    (file,) = (tmp_path / "recorded").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for key in (KEY, "sk-ours"):
        assert key not in file.read_text() + file.name
        assert key not in log


def test_the_same_request_at_once_makes_one_file(api: Server, tmp_path: Path) -> None:
    with recording(f"{api.url}/v1", tmp_path) as server:

        def ask(number: int) -> int:
            document = chat_document("the same", stream=bool(number % 2))
            return post(server, "/v1/chat/completions", document).status_code

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == [200] * 8
        server.wait_for_logs(8, lambda line: is_recorded(line) or " Not recorded" in line)
        assert len([line for line in server.log_lines() if is_recorded(line)]) == 1
    assert len(recorded(tmp_path)) == 1
    assert len(list((tmp_path / "recorded").iterdir())) == 1


def test_embeddings_are_recorded_one_by_one(api: Server, tmp_path: Path) -> None:
    document = {"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 4}
    with recording(f"{api.url}/v1", tmp_path) as server:
        ours = post(server, "/v1/embeddings", document)
        server.wait_for_logs(2, is_recorded)
    assert ours.json() == post(api, "/v1/embeddings", document).json()
    assert [fixture["response"]["embedding"] for fixture in recorded(tmp_path)] == [
        one["embedding"] for one in ours.json()["data"]
    ]


def test_an_error_is_passed_on_whole(tmp_path: Path) -> None:
    error = {"message": "Slow down.", "type": "tokens", "param": None, "code": "limited"}
    answer = (
        head(
            "Content-Type: application/json",
            "Retry-After: 7",
            "x-ratelimit-remaining-requests: 0",
            "Connection: close",
            status="429 Too Many Requests",
        )
        + json.dumps({"error": error}).encode()
    )
    with raw_upstream(answer) as upstream, recording(upstream.origin, tmp_path) as server:
        got = post(server, "/v1/chat/completions", chat_document(stream=True))
        assert (got.status_code, got.json()) == (429, {"error": error})
        assert got.headers["retry-after"] == "7"
        assert got.headers["x-ratelimit-remaining-requests"] == "0"
        line = server.wait_for_log(lambda line: "POST" in line)
    assert 'end="upstream failed"' in line
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_no_server_would_send_is_not_passed_on(tmp_path: Path) -> None:
    error = {"message": "Slow down.", "type": "tokens", "param": None, "code": "limited"}
    fields = ("Retry-After: 7\x01", "x-ratelimit-limit-tokens: \x7f", "Connection: close")
    begun = head("Content-Type: application/json", *fields, status="429 Too Many Requests")
    answer = begun + json.dumps({"error": error}).encode()
    with raw_upstream(answer) as upstream, recording(upstream.origin, tmp_path) as server:
        got = post(server, "/v1/chat/completions", chat_document())
    assert (got.status_code, got.json()) == (429, {"error": error})
    assert "retry-after" not in got.headers


def test_what_breaks_off_in_the_middle_ends_in_an_error_event(tmp_path: Path) -> None:
    first = chunk(event(json.dumps(told({"content": "one"}))))
    with raw_upstream(CHUNKED_HEAD, first) as upstream, recording(upstream.origin, tmp_path) as s:
        *_, said, error = documents(
            post(s, "/v1/chat/completions", chat_document(stream=True)).content
        )
    assert said["choices"][0]["delta"] == {"content": "one"}
    assert (said["id"], said["model"]) == ("chatcmpl-upstream", "gpt-4o-2024-08-06")
    assert error["error"]["type"] == "upstream_error"
    assert list(tmp_path.iterdir()) == []


def test_the_wait_for_a_slow_api_is_bridged_by_comments(tmp_path: Path) -> None:
    """The API has not even begun to answer when the client gets the first comment."""
    begin = threading.Event()
    rest = chunk(event(json.dumps(told({"content": "one"}, "stop"))))
    with (
        raw_upstream(begin, CHUNKED_HEAD, rest, b"0\r\n\r\n") as upstream,
        recording(upstream.origin, tmp_path, LLM_PROXY_KEEPALIVE_SECONDS="0.1") as server,
        new_session() as session,
        session.post(
            f"{server.url}/v1/chat/completions",
            json=chat_document(stream=True),
            headers={"Connection": "close"},
            stream=True,
            timeout=30,
        ) as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines) == b": keep-alive"
        begin.set()
        assert b"data: [DONE]" in list(lines)


def test_a_client_that_leaves_ends_the_question(tmp_path: Path) -> None:
    first = chunk(event(json.dumps(told({"content": "one"}))))
    with (
        raw_upstream(CHUNKED_HEAD, first, Act.AWAIT_CLOSE) as upstream,
        recording(upstream.origin, tmp_path) as server,
    ):
        with (
            new_session() as session,
            session.post(
                f"{server.url}/v1/chat/completions",
                json=chat_document(stream=True),
                stream=True,
                timeout=30,
            ) as answer,
        ):
            next(answer.iter_content(None))
        assert upstream.left.wait(30)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_killed_while_it_records_leaves_no_half_file(tmp_path: Path) -> None:
    first = chunk(event(json.dumps(told({"content": "one"}))))
    with (
        raw_upstream(CHUNKED_HEAD, first, Act.AWAIT_CLOSE) as upstream,
        recording(upstream.origin, tmp_path) as server,
        new_session() as session,
        session.post(
            f"{server.url}/v1/chat/completions",
            json=chat_document(stream=True),
            stream=True,
            timeout=30,
        ) as answer,
    ):
        next(answer.iter_content(None))
        worker = server.wait_for_log(lambda line: "Booting worker with pid" in line)
        pid = int(worker.rpartition(" ")[2])
        os.kill(server.process.pid, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        assert upstream.left.wait(30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["LLM_PROXY_API_KEYS", "LLM_PROXY_API_KEYS_FILE"])
def test_a_key_to_our_own_door_stays_here(tmp_path: Path, given: str) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{KEY}\n")
    value = str(file) if given.endswith("FILE") else KEY
    rest = chunk(event(json.dumps(told({"content": "one"}, "stop"))))
    with (
        raw_upstream(CHUNKED_HEAD, rest, b"0\r\n\r\n") as upstream,
        recording(upstream.origin, tmp_path / "fixtures", **{given: value}) as server,
    ):
        assert post(server, "/v1/chat/completions", chat_document(stream=True)).status_code == 200
    assert "authorization" not in upstream.heads[0].lower()


LIMITS = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "7"}


def answered(body: object, kind: str = "application/json", **limits: str) -> bytes:
    fields = [f"{name}: {value}" for name, value in limits.items()]
    begun = head(f"Content-Type: {kind}", "Connection: close", *fields)
    return begun + (body if isinstance(body, bytes) else json.dumps(body).encode())


def limits_of(answer: requests.Response) -> dict[str, str]:
    names = [name.lower() for name in answer.headers if name.lower().startswith("x-ratelimit-")]
    return {name: answer.headers[name] for name in names}


TIER = {"service_tier": "priority"}
LOGPROBS = {"content": [{"token": "one", "logprob": -0.123, "bytes": [], "top_logprobs": []}]}


@pytest.mark.parametrize("limits", [LIMITS, {}], ids=["limits", "no limits"])
@pytest.mark.parametrize("signed", [{}, TIER, {"system_fingerprint": "fp_x"}], ids=str)
def test_what_the_api_did_not_say_is_not_made_up(
    tmp_path: Path, signed: dict[str, str], limits: dict[str, str]
) -> None:
    """Neither in a document nor in a stream; what it did say is passed on."""
    choice = {
        "index": 0,
        "message": {"content": "one"},
        "logprobs": LOGPROBS,
        "finish_reason": "stop",
    }
    whole = {"id": "chatcmpl-x", "created": 5, "model": "m", "choices": [choice], **signed}
    asked = [chat_document(text, logprobs=True, top_logprobs=2) for text in ("a", "b")]
    with raw_upstream(answered(whole, **limits)) as upstream:
        with recording(upstream.origin, tmp_path) as server:
            answer = post(server, "/v1/chat/completions", asked[0])
            stream = post(server, "/v1/chat/completions", {**asked[1], "stream": True})
        document = answer.json()
    assert document.pop("choices")[0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "one", "refusal": None, "annotations": []},
        "logprobs": None,
        "finish_reason": "stop",
    }
    document.pop("usage")
    assert document == {
        "id": "chatcmpl-x",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        **signed,
    }
    chunks = documents(stream.content)[:-1]
    assert [chunk["choices"][0]["logprobs"] for chunk in chunks] == [None] * len(chunks)
    for name in ("service_tier", "system_fingerprint"):
        assert {chunk.get(name) for chunk in chunks} == {signed.get(name)}
    assert [limits_of(answer), limits_of(stream)] == [limits, limits]


def test_the_limits_of_the_api_are_told_with_embeddings_too(tmp_path: Path) -> None:
    body = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 1}}
    with (
        raw_upstream(answered(body, **LIMITS)) as upstream,
        recording(upstream.origin, tmp_path) as server,
    ):
        answer = post(server, "/v1/embeddings", {"model": "m", "input": "a"})
    assert limits_of(answer) == LIMITS


def test_a_tier_that_the_api_did_not_name_is_null_in_a_response(tmp_path: Path) -> None:
    response = {"id": "resp_x", "status": "completed", "output": []}
    with (
        raw_upstream(answered(response)) as upstream,
        recording(upstream.origin, tmp_path) as server,
    ):
        answer = post(server, "/v1/responses", {"model": "m", "input": "a"})
    assert answer.json()["service_tier"] is None


def test_whatever_else_is_asked_is_asked_anew_and_then_replayed(
    api: Server, tmp_path: Path
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    described = {"name": "x", "schema": schema}
    system = {"role": "system", "content": "Be brief."}
    asked: list[dict[str, Any]] = [
        chat_document("one two three"),
        chat_document("one two three", max_tokens=2),
        chat_document("one two three", stop="two"),
        chat_document("one two three", tools=[TOOL], tool_choice="required"),
        chat_document(
            "one two three", response_format={"type": "json_schema", "json_schema": described}
        ),
        chat_document(messages=[system, {"role": "user", "content": "one two three"}]),
    ]
    with recording(f"{api.url}/v1", tmp_path) as server:
        first, again = (
            [comparable(post(server, "/v1/chat/completions", one).json()) for one in asked]
            for _ in range(2)
        )
    expected = [comparable(post(api, "/v1/chat/completions", one).json()) for one in asked]
    assert first == again == expected
    assert len(recorded(tmp_path)) == len(asked)


def test_an_embedding_is_replayed_in_the_dimensions_that_it_was_asked_in(
    api: Server, tmp_path: Path
) -> None:
    model = {"model": "text-embedding-3-small", "input": "a"}
    with recording(f"{api.url}/v1", tmp_path) as server:
        lengths = [
            len(post(server, "/v1/embeddings", {**model, **fields}).json()["data"][0]["embedding"])
            for fields in ({"dimensions": 10}, {}, {"dimensions": 10}, {})
        ]
    assert lengths == [10, 1536, 10, 1536]
    assert len(recorded(tmp_path)) == 2
