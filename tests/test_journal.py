"""The journal, in process: what is kept of an exchange, for how long, and what is not."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from llm_proxy.journal.entry import MAX_REQUEST_BYTES
from llm_proxy.journal.redacted import redacted_document
from llm_proxy.journal.texts import MAX_PATH, MAX_SHOWN
from llm_proxy.namespaces import key_namespace
from llm_proxy.records.logs import Redactor
from tests.builders import chat_document, client, read

CHAT = "/v1/chat/completions"
SECRET = "my password: PW11"


def requests(caller: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    answer = caller.get(f"/control/requests{query}")
    assert answer.status_code == 200
    data: list[dict[str, Any]] = read(answer)["data"]
    return data


def test_an_exchange_is_kept_as_it_was() -> None:
    caller = client()
    answer = caller.post(
        CHAT, json=chat_document(user="é"), headers={"Authorization": "Bearer sk-anything"}
    )
    answer.close()
    (entry,) = requests(caller)
    time, milliseconds = entry.pop("time"), entry.pop("durationMs")
    said = read(answer)["choices"][0]["message"]["content"]
    assert entry == {
        "id": answer.headers["x-request-id"],
        "namespace": key_namespace("sk-anything"),
        "method": "POST",
        "path": CHAT,
        "status": 200,
        "model": "gpt-4o",
        "stream": False,
        "request": chat_document(user="é"),
        "requestBytes": len(json.dumps(chat_document(user="é"))),
        "responseBytes": len(answer.data),
        "outcome": "done",
        "over": True,
        "origin": "",
        "firstMs": None,
        "promptTokens": read(answer)["usage"]["prompt_tokens"],
        "completionTokens": read(answer)["usage"]["completion_tokens"],
        "eventCount": 0,
        "warningCount": 0,
        "client": answer.request.headers["User-Agent"],
        "question": "hi",
        "answer": said[:200],
    }
    assert milliseconds > 0
    assert abs(time - read(answer)["created"]) < 2


def test_the_newest_comes_first_and_a_limit_is_kept() -> None:
    caller = client(LLM_PROXY_JOURNAL_MAX="3")
    for number in range(5):
        caller.get(f"/v1/models/{number}")
    paths = [f"/v1/models/{number}" for number in (4, 3, 2)]
    assert [entry["path"] for entry in requests(caller)] == paths
    assert [entry["path"] for entry in requests(caller, "?limit=2")] == paths[:2]
    for wrong in ("0", "4", "x", "-1"):
        assert caller.get(f"/control/requests?limit={wrong}").status_code == 400


def test_both_halves_and_their_refusals_are_kept_and_nothing_else() -> None:
    caller = client(LLM_PROXY_API_KEYS="the-key", STREAM_URL="http://127.0.0.1:9/stream")
    key = {"Authorization": "Bearer the-key"}
    caller.get("/health")
    caller.get("/control/faults", headers=key)
    caller.get("/nowhere", headers=key)
    caller.get("/mock/v1/models", headers=key)
    caller.get("/v1/models")
    caller.post("/v1/embeddings", data="{", headers=key)
    caller.post("/adapter/v1/chat/completions", json=chat_document(), headers=key)
    answer = caller.get("/control/requests", headers=key)
    assert [
        (entry["path"], entry["status"], entry["outcome"], entry["request"])
        for entry in reversed(read(answer)["data"])
    ] == [
        ("/mock/v1/models", 200, "done", None),
        ("/v1/models", 401, "refused", None),
        ("/v1/embeddings", 400, "refused", "{"),
        ("/adapter/v1/chat/completions", 502, "upstream failed", chat_document()),
    ]


def test_an_exchange_can_be_found_while_the_last_bytes_of_a_stream_are_still_to_come() -> None:
    caller = client()
    stream = caller.post(CHAT, json=chat_document(stream=True), buffered=False)
    assert requests(caller) == []
    for chunk in stream.iter_encoded():
        if b"[DONE]" in chunk:
            break
    (entry,) = requests(caller)
    assert (entry["status"], entry["stream"], entry["outcome"]) == (200, True, "done")
    stream.close()


def test_a_client_that_leaves_is_told_of_in_the_end() -> None:
    caller = client()
    stream = caller.post(CHAT, json=chat_document(stream=True), buffered=False)
    next(stream.iter_encoded())
    stream.close()
    assert [entry["outcome"] for entry in requests(caller)] == ["client gone"]


def test_the_journal_can_be_emptied() -> None:
    caller = client()
    for namespace in ("a", "b", "a"):
        caller.get("/v1/models", headers={"X-Mock-Namespace": namespace})
    assert len(requests(caller, "?namespace=a")) == 2
    assert read(caller.delete("/control/requests?namespace=a")) == {"deleted": 2}
    assert [entry["namespace"] for entry in requests(caller)] == ["b"]
    assert read(caller.delete("/control/requests")) == {"deleted": 1}


def test_a_journal_that_is_off_keeps_nothing_and_says_so() -> None:
    caller = client(LLM_PROXY_JOURNAL="off")
    caller.get("/v1/models")
    for method in ("GET", "DELETE"):
        answer = caller.open("/control/requests", method=method)
        assert answer.status_code == 404
        assert read(answer)["error"]["message"] == "There is no journal: LLM_PROXY_JOURNAL is off."
    assert caller.post("/control/faults", json={"status": 503}).status_code == 201
    assert caller.post("/control/reset", json={}).status_code == 200


def test_a_journal_that_cannot_be_written_takes_nobodys_answer_away(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    caller = client(LLM_PROXY_JOURNAL=str(path))
    requests(caller)  # whose tables are made when they are first needed
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE exchanges")
    assert caller.get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, chat_document(SECRET, stream=True)),
        (CHAT, chat_document(SECRET, stream=True, n=2)),
        (CHAT, chat_document(SECRET, logprobs=True, top_logprobs=2)),
        ("/v1/completions", {"model": "m", "prompt": SECRET, "stream": True}),
        ("/v1/completions", {"model": "m", "prompt": SECRET, "logprobs": 2}),
        ("/v1/responses", {"model": "m", "input": SECRET, "stream": True}),
        ("/v1/fim/completions", {"model": "m", "prompt": SECRET, "stream": True}),
    ],
)
def test_a_secret_that_is_answered_in_pieces_is_not_kept(path: str, body: Any) -> None:
    caller = client(MOCK_REPLY="echo")
    with caller.post(path, json=body) as answer:
        assert b"PW11" in answer.data
    (entry,) = requests(caller)
    assert "PW11" not in caller.get(f"/control/requests/{entry['id']}").text


def test_of_a_long_stream_each_event_is_counted_of_which_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llm_proxy.shell.streaming.MAX_EVENT_BYTES", 1000)
    caller = client(MOCK_REPLY="echo")
    with caller.post(CHAT, json=chat_document("word " * 300, stream=True)) as answer:
        assert answer.data.endswith(b"data: [DONE]\n\n")
    (entry,) = requests(caller)
    found = read(caller.get(f"/control/requests/{entry['id']}"))
    assert entry["eventCount"] == 301
    assert found["eventsLeftOut"] == 301 - len(found["timeline"])


def test_a_body_that_is_too_long_is_left_out() -> None:
    caller = client()
    caller.post(CHAT, json=chat_document("x" * MAX_REQUEST_BYTES))
    (entry,) = requests(caller)
    assert entry["request"] is None
    assert entry["requestBytes"] > MAX_REQUEST_BYTES


@pytest.mark.parametrize("length", [1_000, 2 * MAX_REQUEST_BYTES])
def test_of_a_long_model_and_a_long_path_the_beginnings_are_kept(length: int) -> None:
    caller = client()
    model, path = "m" * length, "/v1/models/" + "p" * length
    caller.post("/v1/embeddings", json={"model": model, "input": "x"})
    caller.get(path)
    caller.post("/v1/embeddings", json={"model": "m", "input": "x"})
    assert [(entry["model"], entry["path"]) for entry in requests(caller)] == [
        ("m", "/v1/embeddings"),
        (None, path[:MAX_PATH]),
        (model[:MAX_SHOWN], "/v1/embeddings"),
    ]
    assert [entry["model"] for entry in requests(caller, "?model=m")] == ["m"]
    (entry,) = requests(caller, f"?model={model[:2000]}")
    assert entry["model"] == model[:MAX_SHOWN]


def test_all_texts_of_a_row_count_as_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    caller = client(LLM_PROXY_JOURNAL=str(path))
    caller.post(CHAT, json=chat_document("x" * 500), headers={"X-Mock-Namespace": "n" * 5000})
    (entry,) = requests(caller)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM exchanges").fetchone())
    counted = row.pop("bytes")
    assert entry["namespace"] == "n" * 5000
    assert counted == sum(len(value) for value in row.values() if isinstance(value, str | bytes))


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ({"api_key": "abc", "max_tokens": 5}, {"api_key": "***", "max_tokens": 5}),
        ({"token": 5, "n": 1}, {"token": "***", "n": 1}),
        ({"a": ["Bearer abc", "my-own-key"]}, {"a": ["Bearer ***", "***"]}),
        (
            {"properties": {"token": {"type": "string", "enum": ["a"]}, "secret": True}},
            {"properties": {"token": {"type": "string", "enum": ["a"]}, "secret": True}},
        ),
        ({"cookie": ["a", "b"]}, {"cookie": ["***", "***"]}),
        ({"text": 'set {"password": "x y"}'}, {"text": 'set {"password": "***"}'}),
        ({"text": "f(password='x y')"}, {"text": "f(password='***')"}),
        ({"text": 'f(password="x y")'}, {"text": 'f(password="***")'}),
        ({"text": '{\n "token":\n "x"}'}, {"text": '{\n "token":\n "***"}'}),
        ({"password": {"value": "x", "n": 1}}, {"password": {"value": "***", "n": 1}}),
        ({"value": "x", "passwords": ["x"]}, {"value": "x", "passwords": ["***"]}),
        (
            {"tokens": "x", "max_tokens": 5, "n_tokens": "5", "token": "5"},
            {"tokens": "***", "max_tokens": 5, "n_tokens": "5", "token": "***"},
        ),
        (
            {"tokens": ["x"], "passwd": "x", "password": "5"},
            {"tokens": ["x"], "passwd": "***", "password": "***"},
        ),
    ],
)
def test_a_document_without_its_secrets_is_still_one(document: Any, kept: Any) -> None:
    redacted = Redactor(("my-own-key",))
    assert json.loads(redacted_document(json.dumps(document).encode(), redacted)) == kept


def test_what_is_no_json_is_kept_as_text_without_secrets() -> None:
    assert redacted_document(b'{"api_key": "abc', Redactor(())) == '"{\\"api_key\\": \\"***\\""'
    assert redacted_document(b"\xff", Redactor(())) == '"\N{REPLACEMENT CHARACTER}"'
