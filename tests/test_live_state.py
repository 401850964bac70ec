"""One state for all workers of a real server, whichever of them is asked."""

import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.builders import chat_document
from tests.servers import (
    FLASK,
    GUNICORN,
    MOCK,
    Server,
    ended,
    new_session,
    running,
    running_gunicorn,
)
from tests.workers import asleep, two_workers, workers

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Server, int, int]]:
    """A server for the tests of this module, each in a namespace of its own."""
    with two_workers() as running_pair:
        yield running_pair


def ask(server: Server, namespace: str, **fields: Any) -> requests.Response:
    headers = {"X-Mock-Namespace": namespace}
    return server.request("POST", CHAT, json=chat_document(**fields), headers=headers)


def listed(server: Server, path: str) -> list[dict[str, Any]]:
    answer = server.request("GET", f"/control{path}")
    assert answer.status_code == 200
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def test_what_one_worker_is_told_the_other_one_knows(pair: tuple[Server, int, int]) -> None:
    server, one, other = pair
    with asleep(one):
        fault = {"status": 503, "namespace": "told"}
        number = server.request("POST", "/control/faults", json=fault).json()["id"]
        server.request("PUT", "/control/pacing", json={"ttftMs": 90, "namespace": "told"})
    with asleep(other):
        assert [fault["id"] for fault in listed(server, "/faults?namespace=told")] == [number]
        assert server.request("DELETE", f"/control/faults/{number}").status_code == 200
        assert int(ask(server, "told").headers["openai-processing-ms"]) >= 90
    with asleep(one):
        assert listed(server, "/faults?namespace=told") == []
        assert server.request("DELETE", "/control/pacing?namespace=told").status_code == 200
    with asleep(other):
        assert int(ask(server, "told").headers["openai-processing-ms"]) < 90


def test_a_quota_is_one_for_both_workers(pair: tuple[Server, int, int]) -> None:
    server, one, other = pair
    server.request("PUT", "/control/quota", json={"requestsPerMinute": 4, "namespace": "quota"})
    statuses = []
    for sleeper in (one, other, one, other, one, other):
        with asleep(sleeper):
            statuses.append(ask(server, "quota").status_code)
    assert statuses == [200] * 4 + [429] * 2
    assert ask(server, "another").status_code == 200


def test_a_fault_strikes_as_often_as_it_was_queued_over_both_workers(
    pair: tuple[Server, int, int],
) -> None:
    server, one, other = pair
    fault = {"status": 503, "times": 2, "namespace": "twice"}
    assert server.request("POST", "/control/faults", json=fault).status_code == 201
    statuses = []
    for sleeper in (one, other, one, other):
        with asleep(sleeper):
            statuses.append(ask(server, "twice").status_code)
            assert ask(server, "another").status_code == 200
    assert statuses == [503, 503, 200, 200]
    assert listed(server, "/faults?namespace=twice") == []


def test_a_fault_strikes_as_often_as_it_was_queued_however_many_ask_at_once(
    pair: tuple[Server, int, int],
) -> None:
    server, *_ = pair
    fault = {"status": 503, "times": 7, "namespace": "at once"}
    server.request("POST", "/control/faults", json=fault)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: ask(server, "at once").status_code, range(40)))
    assert sorted(statuses) == [200] * 33 + [503] * 7


def test_whoever_waits_as_long_as_told_is_answered(pair: tuple[Server, int, int]) -> None:
    server, *_ = pair
    server.request("PUT", "/control/quota", json={"tokensPerMinute": 6000, "namespace": "wait"})
    assert ask(server, "wait", max_tokens=5999).status_code == 200
    refused = ask(server, "wait", max_tokens=59)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    time.sleep(int(refused.headers["retry-after-ms"]) / 1000)
    assert ask(server, "wait", max_tokens=59).status_code == 200


@pytest.mark.parametrize("stream", [False, True], ids=["document", "stream"])
def test_whoever_has_the_whole_answer_finds_the_exchange_at_the_other_worker(
    pair: tuple[Server, int, int], stream: bool
) -> None:
    server, one, other = pair
    namespace = f"journal {stream}"
    headers = {"X-Mock-Namespace": namespace}
    document = chat_document(stream=stream)
    for sleeper, reader in ((one, other), (other, one)) * 3:
        with new_session() as session, ThreadPoolExecutor(1) as pool:
            with asleep(sleeper):
                answer = session.post(
                    server.url + CHAT, json=document, headers=headers, stream=True
                )
                if stream:
                    assert b"data: [DONE]" in answer.iter_lines()
                else:
                    assert answer.json()["object"] == "chat.completion"
            with asleep(reader):
                # Who answered may not have written it down yet; the other one waits for that.
                listing = pool.submit(listed, server, f"/requests?namespace={namespace}&limit=1")
                time.sleep(0.1)
            newest = listing.result()
        assert [(entry["id"], entry["outcome"], entry["request"]) for entry in newest] == [
            (answer.headers["x-request-id"], "done", document)
        ]


def test_a_form_of_a_foreign_page_is_refused(pair: tuple[Server, int, int]) -> None:
    server, *_ = pair
    for data in ({"namespace": "x"}, b'{"namespace": "x"}'):
        answer = server.request("POST", "/control/reset", data=data)
        assert answer.status_code == 415
    headers = {"Origin": "https://evil.example"}
    answer = server.request("POST", "/control/reset", json={}, headers=headers)
    assert answer.status_code == 403


def test_a_worker_that_is_killed_takes_nothing_with_it() -> None:
    with two_workers() as (server, one, other):
        server.request("POST", "/control/faults", json={"status": 503, "namespace": "x"})
        server.request("PUT", "/control/quota", json={"requestsPerMinute": 2, "namespace": "y"})
        assert ask(server, "y").status_code == 200
        before = listed(server, "/faults"), listed(server, "/quota"), listed(server, "/requests")
        os.kill(one, signal.SIGKILL)
        _, new = workers(server, 3)
        with asleep(other):
            after = listed(server, "/faults"), listed(server, "/quota"), listed(server, "/requests")
            assert after == before
            assert [ask(server, "y").status_code for _ in range(2)] == [200, 429]
        assert new not in (one, other)


def test_workers_that_are_replaced_on_sighup_find_the_state() -> None:
    with two_workers() as (server, *_):
        server.request("POST", "/control/faults", json={"status": 503, "namespace": "x"})
        before = listed(server, "/faults")
        server.process.send_signal(signal.SIGHUP)
        for pid in workers(server, 4):
            with asleep(pid):
                assert listed(server, "/faults") == before


@pytest.mark.parametrize("command", [GUNICORN, MOCK, FLASK], ids=["gunicorn", "mock", "flask"])
def test_a_new_start_finds_the_journal_and_no_state(tmp_path: Path, command: Sequence[str]) -> None:
    env = {"LLM_PROXY_JOURNAL": str(tmp_path / "journal.sqlite3"), "WEB_CONCURRENCY": "2"}
    with running(command, **env) as server:
        server.request("POST", "/control/faults", json={"status": 503})
        server.request("PUT", "/control/pacing", json={"ttftMs": 1})
        server.request("GET", "/v1/models")
        kept = listed(server, "/requests")
        assert len(kept) == 1
    with running(command, **env) as server:
        assert listed(server, "/faults") == listed(server, "/pacing") == []
        assert listed(server, "/requests") == kept


def free_port() -> str:
    """A port that nobody has for the moment: only one that is named has a file of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("second", "named"),
    [
        (GUNICORN, False),
        ((*GUNICORN, "--preload"), True),
        ((*GUNICORN, "--check-config"), True),
        (FLASK, True),
    ],
    ids=["gunicorn", "preload", "check-config", "flask"],
)
def test_a_second_start_at_a_port_that_is_taken_changes_nothing(
    tmp_path: Path, second: Sequence[str], named: bool
) -> None:
    env = {"TMPDIR": str(tmp_path), "WEB_CONCURRENCY": "2", "PORT": free_port()}
    if named:
        env["LLM_PROXY_JOURNAL"] = str(tmp_path / "journal.sqlite3")
    with running_gunicorn(**env) as server:
        server.request("POST", "/control/faults", json={"status": 503, "namespace": "x"})
        before = listed(server, "/faults")
        ended([env["PORT"] if part == "0" else part for part in second], **env)
        one, other = workers(server)
        os.kill(one, signal.SIGKILL)
        _, new = workers(server, 3)
        for sleeper in (other, new):
            with asleep(sleeper):
                assert listed(server, "/faults") == before


def test_a_server_with_no_port_of_its_own_leaves_no_file(tmp_path: Path) -> None:
    with running_gunicorn(TMPDIR=str(tmp_path)) as server:
        server.request("GET", "/v1/models")
        assert [path.suffix for path in tmp_path.rglob("*.sqlite3")] == [".sqlite3"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_application_that_is_loaded_before_the_fork_shares_its_state() -> None:
    with running_gunicorn("--workers", "2", "--preload") as server:
        one, other = workers(server)
        with asleep(one):
            server.request("POST", "/control/faults", json={"status": 503})
        with asleep(other):
            assert len(listed(server, "/faults")) == 1


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("Dear diary")
    failed = ended(MOCK, LLM_PROXY_JOURNAL=str(tmp_path / "notes"), MOCK_JITTER="2")
    assert failed.returncode == 1
    assert [line for line in failed.stderr.splitlines() if line.strip()] == [
        "These settings are wrong:",
        f"  LLM_PROXY_JOURNAL: {str(tmp_path / 'notes')!r} is there, and is not an SQLite file",
        "  MOCK_JITTER: 2 is more than 1",
    ]
