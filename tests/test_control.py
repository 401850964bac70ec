"""The control API, in process: what it takes, what it refuses, and what that changes."""

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from llm_proxy import control
from llm_proxy.errors import InvalidRequest
from llm_proxy.namespaces import key_namespace
from llm_proxy.settings import ServerSettings
from tests.builders import chat_document, client, empty_state, read

FIXTURE = {"match": {"userMessage": "weather"}, "response": {"content": "sunny"}}


def items(caller: FlaskClient, path: str) -> list[dict[str, Any]]:
    answer = caller.get(f"/control{path}")
    assert answer.status_code == 200
    data: list[dict[str, Any]] = read(answer)["data"]
    return data


def refusal(answer: Any) -> tuple[int, str | None, str]:
    error = read(answer)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["param"], error["message"]


def test_a_fixture_is_added_listed_and_removed() -> None:
    caller = client()
    added = caller.post("/control/fixtures", json={**FIXTURE, "namespace": "a", "times": 2})
    assert added.status_code == 201
    shown = {"id": 1, "namespace": "a", "times": 2, "document": FIXTURE, "used": 0}
    assert read(added) == shown
    assert items(caller, "/fixtures") == [shown]
    assert read(caller.delete("/control/fixtures/1")) == {"id": 1, "deleted": True}
    assert items(caller, "/fixtures") == []
    assert refusal(caller.delete("/control/fixtures/1")) == (
        404,
        None,
        "No fixture has the id '1'.",
    )


def test_several_fixtures_are_added_in_their_order() -> None:
    caller = client()
    fixtures = [FIXTURE, {"match": {}, "response": {"content": "else"}}]
    added = caller.post(
        "/control/fixtures", json={"fixtures": fixtures}, headers={"X-Mock-Namespace": "a"}
    )
    assert added.status_code == 201
    assert items(caller, "/fixtures") == read(added)["data"]
    assert [(one["namespace"], one["document"]) for one in read(added)["data"]] == [
        ("a", fixture) for fixture in fixtures
    ]


def test_what_is_wrong_with_a_fixture_is_told_and_none_is_added() -> None:
    def check(document: Mapping[str, Any]) -> Sequence[str]:
        return [] if "response" in document else ["It has no response."]

    state = empty_state()
    app = Flask(__name__)
    app.register_blueprint(control.blueprint(state, None, ServerSettings(), check_fixture=check))
    body = {"fixtures": [FIXTURE, {"match": {}}]}
    with (
        app.test_request_context("/fixtures", method="POST", json=body),
        pytest.raises(InvalidRequest, match=r"^fixtures\[1\]: It has no response.$"),
    ):
        app.dispatch_request()
    assert state.scripted("fixture") == []


def test_a_fault_waits_for_one_reply_unless_it_is_told_otherwise() -> None:
    caller = client()
    for times in ({}, {"times": 2}, {"times": None}):
        assert caller.post("/control/faults", json={"status": 503, **times}).status_code == 201
    assert items(caller, "/faults") == [
        {"id": number, "namespace": "", "times": times, "document": {"status": 503}}
        for number, times in enumerate((1, 2, None), start=1)
    ]


@pytest.mark.parametrize(
    ("document", "param", "message"),
    [
        ({"statsu": 503}, "statsu", "There is no field 'statsu'. Is it 'status'?"),
        ({"status": 200}, "status", "Invalid value for 'status': expected an integer >= 400."),
        ({"status": "503"}, "status", None),
        ({"kind": "explode"}, "kind", None),
        ({"status": 503, "times": 0}, "times", None),
        ({"delayMs": -1}, "delayMs", None),
        ({"seconds": 3, "status": 503}, "seconds", "'seconds' needs a 'kind'."),
        (
            {"message": "no", "delayMs": 3},
            "message",
            "'message' needs a 'status' or the kind 'error_event'.",
        ),
        ({"times": 2}, None, "One of these is needed: status, kind, delayMs."),
    ],
)
def test_a_fault_that_is_none_is_refused(
    document: Mapping[str, Any], param: str | None, message: str | None
) -> None:
    caller = client()
    status, named, told = refusal(caller.post("/control/faults", json=document))
    assert (status, named) == (400, param)
    assert message in (None, told)
    assert items(caller, "/faults") == []


@pytest.mark.parametrize("path", ["/pacing", "/quota"])
def test_of_pacing_and_quotas_the_last_one_holds(path: str) -> None:
    caller = client()
    field = {"/pacing": "ttftMs", "/quota": "requestsPerMinute"}[path]
    for value, namespace in ((1, ""), (2, "a"), (3, ""), (4, "a")):
        document = {field: value, "namespace": namespace}
        assert caller.put(f"/control{path}", json=document).status_code == 200
    assert [(one["namespace"], one["document"]) for one in items(caller, path)] == [
        ("", {field: 3}),
        ("a", {field: 4}),
    ]
    assert read(caller.delete(f"/control{path}?namespace=a")) == {"deleted": 1}
    assert [one["document"] for one in items(caller, path)] == [{field: 3}]


@pytest.mark.parametrize(
    ("path", "document", "param"),
    [
        ("/pacing", {}, None),
        ("/pacing", {"ttft": 3}, "ttft"),
        ("/pacing", {"jitter": 2}, "jitter"),
        ("/pacing", {"profile": "slow"}, "profile"),
        ("/quota", {"namespace": "a"}, None),
        ("/quota", {"tokensPerMinute": 1.5}, "tokensPerMinute"),
        ("/quota", {"requestsPerMinute": -1}, "requestsPerMinute"),
    ],
)
def test_a_wrong_setting_is_refused(path: str, document: Any, param: str | None) -> None:
    caller = client()
    status, named, _ = refusal(caller.put(f"/control{path}", json=document))
    assert (status, named) == (400, param)
    assert items(caller, path) == []


def test_a_list_can_be_of_one_namespace() -> None:
    caller = client()
    for namespace in ("", "a", "b", "a"):
        caller.post("/control/faults", json={"status": 500, "namespace": namespace})
    assert [one["id"] for one in items(caller, "/faults?namespace=a")] == [2, 4]
    assert [one["id"] for one in items(caller, "/faults?namespace=")] == [1]
    assert read(caller.delete("/control/faults", headers={"X-Mock-Namespace": "a"})) == {
        "deleted": 2
    }
    assert [one["id"] for one in items(caller, "/faults")] == [1, 3]
    assert read(caller.delete("/control/faults?namespace=")) == {"deleted": 1}
    assert read(caller.delete("/control/faults")) == {"deleted": 1}


def test_a_call_about_two_namespaces_is_refused() -> None:
    answer = client().post(
        "/control/faults",
        json={"status": 503, "namespace": "a"},
        headers={"X-Mock-Namespace": "b"},
    )
    assert refusal(answer) == (400, "namespace", "The call names two namespaces: 'b' and 'a'.")
    answer = client().post("/control/reset?namespace=a", json={"namespace": ""})
    assert refusal(answer) == (400, "namespace", "The call names two namespaces: 'a' and ''.")


def test_the_key_of_a_call_does_not_say_which_namespace_it_is_about() -> None:
    caller = client(LLM_PROXY_API_KEYS="k")
    headers = {"Authorization": "Bearer k"}
    added = caller.post("/control/faults", json={"status": 503}, headers=headers)
    assert read(added)["namespace"] == ""
    asked = caller.get("/control/namespace", headers=headers)
    assert read(asked) == {"namespace": key_namespace("k")}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_the_keys_are_needed(method: str) -> None:
    caller = client(LLM_PROXY_API_KEYS="k")
    path = "/control/pacing" if method == "PUT" else "/control/faults"
    assert caller.open(path, method=method, json={"status": 503}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"status": "503"}},
        {"data": '{"status": 503}', "content_type": "text/plain"},
        {"data": '{"status": 503}'},
    ],
    ids=["form", "text", "nothing"],
)
def test_what_is_not_json_by_name_is_refused(body: Any) -> None:
    caller = client()
    for path in ("/control/faults", "/control/reset"):
        status, _, message = refusal(caller.post(path, **body))
        assert (status, message[:34]) == (415, "The body must be application/json,")
    assert items(caller, "/faults") == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_site_can_change_nothing(headers: Mapping[str, str]) -> None:
    caller = client()
    caller.post("/control/faults", json={"status": 503})
    answers = [
        caller.post("/control/faults", json={"status": 500}, headers=headers),
        caller.put("/control/pacing", json={"ttftMs": 1}, headers=headers),
        caller.delete("/control/faults", headers=headers),
        caller.post("/control/reset", json={}, headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert [one["id"] for one in items(caller, "/faults")] == [1]


def test_our_own_pages_may_call() -> None:
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    answer = client().post("/control/faults", json={"status": 503}, headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"namespace": "a"}, ["", "b"]),
        ({"namespace": ""}, ["a", "b"]),
        ({"namespace": None}, []),
        ({}, []),
        (None, []),
    ],
)
def test_a_reset_forgets_one_namespace_or_all(body: Any, left: list[str]) -> None:
    caller = client()
    for namespace in ("", "a", "b"):
        headers = {"X-Mock-Namespace": namespace}
        caller.post("/control/faults", json={"status": 503, "times": 9}, headers=headers)
        caller.put("/control/quota", json={"requestsPerMinute": 9}, headers=headers)
        caller.post("/v1/moderations", json={"input": "hi"}, headers=headers)
    answer = (
        caller.post("/control/reset", json=body)
        if body is not None
        else caller.post("/control/reset", content_type="application/json")
    )
    assert read(answer) == {"namespace": (body or {}).get("namespace"), "reset": True}
    for path in ("/faults", "/quota"):
        assert [one["namespace"] for one in items(caller, path)] == left
    assert [one["namespace"] for one in items(caller, "/requests")] == left[::-1]


def test_unknown_paths_and_methods_are_refused_as_everywhere() -> None:
    caller = client()
    assert refusal(caller.get("/control/nothing"))[0] == 404
    assert refusal(caller.delete("/control/faults/x")) == (
        404,
        None,
        "No fault has the id 'x'.",
    )
    wrong = caller.patch("/control/faults", json={})
    assert wrong.status_code == 405
    assert set(wrong.headers["Allow"].split(", ")) >= {"GET", "POST", "DELETE"}


def test_pacing_that_is_set_makes_replies_take_their_time() -> None:
    caller = client()
    caller.put("/control/pacing", json={"ttftMs": 60, "namespace": "slow"})

    def processing_ms(**headers: str) -> int:
        answer = caller.post("/v1/chat/completions", json=chat_document(), headers=headers)
        return int(answer.headers["openai-processing-ms"])

    assert processing_ms(**{"X-Mock-Namespace": "slow"}) >= 60
    assert processing_ms() < 60


def test_pacing_that_is_set_to_nothing_undoes_that_of_the_settings() -> None:
    caller = client(MOCK_TTFT_MS="60")
    caller.put("/control/pacing", json={"ttftMs": 0, "namespace": "fast"})
    answer = caller.post(
        "/v1/chat/completions", json=chat_document(), headers={"X-Mock-Namespace": "fast"}
    )
    assert int(answer.headers["openai-processing-ms"]) < 60


def test_a_quota_that_is_set_refuses_whoever_exceeds_it() -> None:
    caller = client()
    caller.put("/control/quota", json={"requestsPerMinute": 1, "namespace": "a"})
    ask = {"json": {"input": "hi"}, "headers": {"X-Mock-Namespace": "a"}}
    assert caller.post("/v1/moderations", **ask).status_code == 200
    refused = caller.get("/v1/models", headers={"X-Mock-Namespace": "a"})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after-ms"]) > 59_000
    assert refused.headers["Retry-After"] == "60"
    assert caller.get("/v1/models").status_code == 200


def test_a_request_that_is_refused_changes_nothing() -> None:
    caller = client()
    stored = read(caller.post("/v1/chat/completions", json=chat_document(store=True)))["id"]
    caller.put("/control/quota", json={"requestsPerMinute": 1})
    caller.get("/v1/models")
    assert caller.delete(f"/v1/chat/completions/{stored}").status_code == 429
    caller.delete("/control/quota")
    assert caller.get(f"/v1/chat/completions/{stored}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/control/requests", None),
        ("POST", "/control/faults", {"status": 503}),
        ("POST", "/control/reset", {}),
    ],
)
def test_a_file_that_somebody_locks_is_told_of(
    method: str,
    path: str,
    body: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("llm_proxy.sqlite.database.PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(logging.getLogger("llm_proxy"), "propagate", True)
    file = tmp_path / "journal.sqlite3"
    caller = client(LLM_PROXY_JOURNAL=str(file))
    assert caller.open(path, method=method, json=body).status_code < 300  # makes its tables
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = caller.open(path, method=method, json=body)
    error = read(answer)["error"]
    assert (answer.status_code, error["type"]) == (503, "server_error")
    assert (error["code"], error["param"]) == ("storage_unusable", None)
    assert error["message"] == f"{str(file)!r} cannot be used: database is locked"
    assert "Traceback" not in caplog.text
    assert caller.open(path, method=method, json=body).status_code < 300
