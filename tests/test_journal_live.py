"""The journal as several workers write it: read at once, watched, killed, bounded, clean."""

import json
import os
import signal
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import requests

from llm_proxy.control.live import MAX_LISTENERS
from tests.builders import chat_document, client
from tests.servers import PATIENCE_SECONDS, Running, Server, new_session, running_gunicorn

CHAT = "/v1/chat/completions"
KEY = "sk-abcdefghijklmnop"


@pytest.fixture(scope="module")
def pair(gunicorn: Running) -> Iterator[Server]:
    """A mock with two workers."""
    with gunicorn("--workers", "2", MOCK_REPLY="echo") as server:
        yield server


def entries(server: Server, query: str = "") -> list[dict[str, Any]]:
    answer = server.request("GET", f"/control/requests{query}")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def told(lines: Iterator[Any]) -> Iterator[dict[str, Any]]:
    """The entries that a stream of events tells of."""
    for line in lines:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


def test_whoever_has_an_answer_finds_its_exchange_whichever_worker_is_asked(pair: Server) -> None:
    asked = [
        pair.request("POST", CHAT, json=chat_document(stream=bool(number % 2)))
        for number in range(40)
        for _ in [entries(pair, "?limit=1")]  # read between the requests, by either worker
    ]
    seen = entries(pair, "?limit=40")
    assert [entry["id"] for entry in reversed(seen)] == [
        answer.headers["x-request-id"] for answer in asked
    ]
    for number in range(20):
        answer = pair.request("POST", CHAT, json=chat_document(str(number)))
        assert entries(pair, "?limit=1")[0]["id"] == answer.headers["x-request-id"]


def test_a_listener_is_told_of_the_exchanges_of_all_workers(pair: Server) -> None:
    headers = {"X-Mock-Namespace": "watched"}
    with (
        new_session() as session,
        session.get(
            f"{pair.url}/control/requests/stream",
            headers=headers,
            stream=True,
            timeout=PATIENCE_SECONDS,
        ) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines(chunk_size=1)
        assert next(lines) == b"retry: 1000"
        pair.request("POST", CHAT, json=chat_document())  # of another namespace
        asked = {
            pair.request("POST", CHAT, json=chat_document(), headers=headers).headers[
                "x-request-id"
            ]
            for _ in range(6)
        }
        over: dict[str, dict[str, Any]] = {}
        for entry in told(lines):
            over |= {entry["id"]: entry} if entry["over"] else {}
            if len(over) == len(asked):
                break
    assert set(over) == asked
    assert {entry["outcome"] for entry in over.values()} == {"done"}
    assert all("request" not in entry for entry in over.values())


def test_a_listener_can_go_on_from_what_it_saw_last(pair: Server) -> None:
    headers = {"X-Mock-Namespace": "resumed"}
    for _ in range(2):
        pair.request("POST", CHAT, json=chat_document(), headers=headers)
    first, second = reversed(entries(pair, "?namespace=resumed"))

    def ids(last: str) -> Iterator[tuple[str, str]]:
        with (
            new_session() as session,
            session.get(
                f"{pair.url}/control/requests/stream",
                headers=headers | {"Last-Event-ID": last},
                stream=True,
                timeout=PATIENCE_SECONDS,
            ) as stream,
        ):
            number = ""
            for line in stream.iter_lines(chunk_size=1):
                if line.startswith(b"id: "):
                    number = line.removeprefix(b"id: ").decode()
                if line.startswith(b"data: "):
                    yield number, json.loads(line.removeprefix(b"data: "))["id"]

    seen = ids("0")
    number, name = next(seen)
    assert (name, next(seen)[1]) == (first["id"], second["id"])
    assert next(ids(number))[1] == second["id"]


def test_whoever_saw_the_numbers_of_another_journal_hears_what_is_new(pair: Server) -> None:
    for last in ("999999999", "1" * 4301, "1" * 25, "²"):
        with (
            new_session() as session,
            session.get(
                f"{pair.url}/control/requests/stream",
                headers={"X-Mock-Namespace": "young", "Last-Event-ID": last.encode()},
                stream=True,
                timeout=PATIENCE_SECONDS,
            ) as stream,
        ):
            lines = stream.iter_lines(chunk_size=1)
            assert next(lines) == b"retry: 1000"
            pair.request("POST", CHAT, json=chat_document(), headers={"X-Mock-Namespace": "young"})
            heard = takewhile(lambda line: not line.startswith(b":"), lines)  # until it is silent
            data = next(line for line in heard if line.startswith(b"data: "))
            newest = entries(pair, "?namespace=young&limit=1")[0]["id"]
            assert json.loads(data.removeprefix(b"data: "))["id"] == newest


def test_a_listener_that_is_not_served_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = client()
    with monkeypatch.context() as broken:
        broken.setattr("llm_proxy.sqlite.journal.SqliteJournal.latest", lambda _: 1 // 0)
        for _ in range(MAX_LISTENERS):
            assert caller.get("/control/requests/stream").status_code == 500
    with caller.get("/control/requests/stream", buffered=False) as answer:
        assert answer.status_code == 200


def test_only_so_many_may_listen_and_a_server_with_listeners_stops_at_once() -> None:
    with running_gunicorn() as server, new_session() as session:
        url = f"{server.url}/control/requests/stream"
        open_streams = [session.get(url, stream=True, timeout=PATIENCE_SECONDS) for _ in range(16)]
        refused = session.get(url, timeout=PATIENCE_SECONDS)
        assert (refused.status_code, refused.json()["error"]["code"]) == (
            503,
            "too_many_listeners",
        )
        server.process.terminate()
        # Far less than the minute for which gunicorn waits for streams to end.
        server.process.wait(PATIENCE_SECONDS)
        for stream in open_streams:
            stream.close()


def test_a_server_that_is_killed_leaves_a_journal_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    seen: list[str] = []
    enough = threading.Event()
    with running_gunicorn("--workers", "2", LLM_PROXY_JOURNAL=str(path)) as server:

        def ask() -> None:
            with new_session() as session:
                try:
                    while True:
                        answer = session.post(server.url + CHAT, json=chat_document("x" * 5000))
                        seen.append(answer.headers["x-request-id"])
                        if len(seen) >= 300:
                            enough.set()
                except requests.RequestException:
                    pass

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert enough.wait(PATIENCE_SECONDS)
        known = {entry["id"] for entry in entries(server, "?brief=true")}
        os.killpg(server.process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = {name for (name,) in connection.execute("SELECT id FROM exchanges")}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert known <= kept
    with running_gunicorn(LLM_PROXY_JOURNAL=str(path)) as server:
        assert {entry["id"] for entry in entries(server)} == kept


def test_a_worker_that_is_stopped_writes_what_it_still_has(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with running_gunicorn(LLM_PROXY_JOURNAL=str(path)) as server:
        asked = server.request("POST", CHAT, json=chat_document())
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, over FROM exchanges").fetchall()
    assert rows == [(asked.headers["x-request-id"], 1)]


def test_no_reader_waits_for_a_worker_that_was_killed() -> None:
    with running_gunicorn("--workers", "2") as server:
        server.wait_for_logs(2, lambda line: "Booting worker" in line)
        for _ in range(8):
            server.request("POST", CHAT, json=chat_document())
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        for worker in map(int, children.read_text().split()):
            os.kill(worker, signal.SIGKILL)
        server.wait_for_logs(4, lambda line: "Booting worker" in line)
        answer = server.request("POST", CHAT, json=chat_document())
        assert entries(server, "?limit=1")[0]["id"] == answer.headers["x-request-id"]
        assert not [line for line in server.log_lines() if "behind with the journal" in line]


def test_no_secret_gets_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    body = chat_document(
        f"my key is {KEY}", user=KEY, metadata={"api_key": "in-a-body", "note": "own-key-1"}
    )
    settings = {"LLM_PROXY_JOURNAL": str(path), "LLM_PROXY_API_KEYS": "own-key-1,own-key-2"}
    headers = {"Authorization": "Bearer own-key-1", "Cookie": "id=in-a-cookie"}
    headers["X-Api-Key"] = "in-a-header"
    with running_gunicorn(MOCK_REPLY="echo", **settings) as server:
        for stream in (False, True):
            path_asked = f"{CHAT}?api_key=in-the-query"
            server.request("POST", path_asked, json={**body, "stream": stream}, headers=headers)
        server.request("GET", f"/v1/models/{KEY}", headers=headers)
        server.request(
            "POST", CHAT, data=f'{{"api_key": "in-a-body", "x": "{KEY}"', headers=headers
        )
        shown = server.request("GET", "/control/requests", headers=headers).json()["data"]
    assert [entry["path"] for entry in shown[1:2]] == ["/v1/models/sk-***"]
    assert shown[3]["request"]["metadata"] == {"api_key": "***", "note": "***"}
    with closing(sqlite3.connect(path)) as connection:
        written = "\n".join(connection.iterdump())
    for secret in (KEY, "in-a-body", "in-a-cookie", "in-a-header", "in-the-query", "own-key-1"):
        assert secret not in written
