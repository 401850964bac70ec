"""The stand-in does over a socket what the legacy search API is known to do."""

import ast
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import requests

from tests.legacy_process import (
    STANDIN_COMMAND,
    STANDIN_FOLDER,
    STOP_SECONDS,
    StartError,
    running_legacy,
    running_uvicorn,
    standin_environ,
)

TRICKY_QUERY = """it's "quoted"  both'" naïve\n"""
TRICKY_WORDS = ["it's", '"quoted"', "both'\"", "naïve"]
UVICORN_COMMAND = (
    *(sys.executable, "-m", "uvicorn", "app:app"),
    *("--app-dir", str(STANDIN_FOLDER), "--port", "0"),
)
LONG_PAUSE = "3600"


@pytest.fixture(scope="module")
def legacy() -> Iterator[str]:
    with running_legacy() as base_url:
        yield base_url


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    with running_legacy(LEGACY_TOKEN="s3cret") as base_url:
        yield base_url


def called(method: str, url: str, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # neither proxies nor ~/.netrc
        return session.request(method, url, timeout=30, **options)


def get(url: str, **options: Any) -> requests.Response:
    return called("GET", url, **options)


def refused(command: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        env=standin_environ(env),
        capture_output=True,
        text=True,
        timeout=60,
    )


def body_of(base_url: str, query: str, **params: str | int) -> bytes:
    response = get(f"{base_url}/stream", params={"search_query": query, **params})
    assert response.status_code == 200
    return response.content


def payloads_of(body: bytes) -> list[str]:
    events = body.decode().split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") for event in events)
    return [event.removeprefix("data: ") for event in events]


def state_of(base_url: str) -> dict[str, Any]:
    state: dict[str, Any] = get(f"{base_url}/_standin/state").json()
    return state


def state_once(base_url: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while not reached(state := state_of(base_url)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return state


def test_words_and_citations_are_python_literals_by_default(legacy: str) -> None:
    expected = (
        """data: {'type': 'response', 'data': "it's"}\n\n"""
        """data: {'type': 'response', 'data': '"quoted"'}\n\n"""
        """data: {'type': 'response', 'data': 'both\\'"'}\n\n"""
        """data: {'type': 'response', 'data': 'naïve'}\n\n"""
        """data: {'type': 'citation', 'data': '1'}\n\n"""
        """data: {'type': 'citation', 'data': '22'}\n\n"""
    )
    assert body_of(legacy, TRICKY_QUERY, topNDocuments=2) == expected.encode()


def test_newest_generation_writes_json() -> None:
    with running_legacy(LEGACY_GENERATION="json") as base_url:
        body = body_of(base_url, TRICKY_QUERY, topNDocuments=1)
    assert body == (
        b"""data: {"type": "response", "data": "it's"}\n\n"""
        b"""data: {"type": "response", "data": "\\"quoted\\""}\n\n"""
        b"""data: {"type": "response", "data": "both'\\""}\n\n"""
        b"""data: {"type": "response", "data": "na\\u00efve"}\n\n"""
        b"""data: {"type": "citation", "data": "1"}\n\n"""
    )


def test_oldest_generation_sends_bare_words_and_no_citations() -> None:
    with running_legacy(LEGACY_GENERATION="text") as base_url:
        body = body_of(base_url, TRICKY_QUERY, topNDocuments=3)
    assert body == """data: it's\n\ndata: "quoted"\n\ndata: both'"\n\ndata: naïve\n\n""".encode()


@pytest.mark.parametrize(
    ("generation", "decode"), [("literal", ast.literal_eval), ("json", json.loads)]
)
def test_every_payload_reads_back_as_its_word(
    generation: str, decode: Callable[[str], dict[str, str]]
) -> None:
    words = [*TRICKY_WORDS, "back\\slash", "\x00\x1b", "\u200b", "😀", "None", "[DONE]"]
    with running_legacy(LEGACY_GENERATION=generation) as base_url:
        payloads = payloads_of(body_of(base_url, " ".join(words), topNDocuments=0))
    assert [decode(payload) for payload in payloads] == [
        {"type": "response", "data": word} for word in words
    ]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"topNDocuments": -1}, []),
        ({"topNDocuments": 0}, []),
        ({"topNDocuments": 3}, ["1", "22", "333"]),
        ({}, ["1", "22", "333", "4444", "55555"]),
        ({"topNDocuments": 99}, [str(number) * number for number in range(1, 11)]),
    ],
)
def test_citations_follow_up_to_the_limit_and_to_ten(
    legacy: str, params: dict[str, int], expected: list[str]
) -> None:
    payloads = payloads_of(body_of(legacy, "word", **params))
    assert [ast.literal_eval(payload) for payload in payloads] == [
        {"type": "response", "data": "word"},
        *({"type": "citation", "data": citation} for citation in expected),
    ]


def test_done_is_sent_only_where_it_is_set(legacy: str) -> None:
    assert b"[DONE]" not in body_of(legacy, "word")
    with running_legacy(LEGACY_DONE="1", LEGACY_GENERATION="text") as base_url:
        assert body_of(base_url, "word") == b"data: word\n\ndata: [DONE]\n\n"


def test_answer_is_a_chunked_event_stream(legacy: str) -> None:
    response = get(f"{legacy}/stream", params={"search_query": "word"})
    assert response.headers["Content-Type"].split(";")[0] == "text/event-stream"
    assert response.headers["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize(
    ("params", "field"),
    [({}, "search_query"), ({"search_query": "word", "topNDocuments": "many"}, "topNDocuments")],
)
def test_missing_query_and_wrong_number_are_422(
    legacy: str, params: dict[str, str], field: str
) -> None:
    response = get(f"{legacy}/stream", params=params)
    assert response.status_code == 422
    assert [problem["loc"] for problem in response.json()["detail"]] == [["query", field]]


def test_rating_is_repeated(legacy: str) -> None:
    rating = {"chat_id": "c-1", "search_query": "naïve", "rating": 4}
    response = called("POST", f"{legacy}/add_rating", json=rating)
    assert response.json() == {"status": "success", "received_data": rating}


def test_incomplete_rating_is_422(legacy: str) -> None:
    response = called("POST", f"{legacy}/add_rating", json={"chat_id": "c-1"})
    assert response.status_code == 422


def test_health_is_ok(legacy: str) -> None:
    assert get(f"{legacy}/health").json() == {"status": "OK"}


@pytest.mark.parametrize("path", ["/", "/home", "/docs", "/redoc"])
def test_pages_are_html(legacy: str, path: str) -> None:
    response = get(legacy + path)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")


def test_schema_lists_the_legacy_api_and_not_the_state(legacy: str) -> None:
    paths = get(f"{legacy}/openapi.json").json()["paths"]
    assert sorted(paths) == ["/", "/add_rating", "/health", "/home", "/stream"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 302),
        ({"Authorization": "Bearer wrong"}, 302),
        ({"Authorization": "Basic s3cret"}, 302),
        ({"Cookie": "session=wrong"}, 302),
        ({"Authorization": "Bearer s3cret"}, 200),
        ({"Cookie": "session=s3cret"}, 200),
    ],
)
def test_stream_behind_a_login_redirects_without_the_token(
    guarded: str, headers: dict[str, str], status: int
) -> None:
    response = get(
        f"{guarded}/stream",
        params={"search_query": "word"},
        headers=headers,
        allow_redirects=False,
    )
    assert (response.status_code, response.headers.get("Location")) == (
        status,
        "/" if status == 302 else None,
    )


def test_login_comes_before_validation_and_guards_only_the_stream(guarded: str) -> None:
    response = get(f"{guarded}/stream")
    assert [hop.status_code for hop in (*response.history, response)] == [302, 200]
    assert "log in" in response.text
    assert get(f"{guarded}/health").status_code == 200


def test_state_tells_what_arrived() -> None:
    with running_legacy() as base_url:
        body_of(base_url, "a b", sessionID="12345")
        body_of(base_url, "naïve")
        assert state_of(base_url) == {
            "open_streams": 0,
            "closed_early": 0,
            "queries": ["a b", "naïve"],
            "sessions": ["12345", None],
        }


def test_state_keeps_the_last_hundred_queries() -> None:
    with running_legacy() as base_url:
        for number in range(102):
            body_of(base_url, str(number))
        assert state_of(base_url)["queries"] == [str(number) for number in range(2, 102)]


def test_stream_stops_when_the_client_leaves_during_a_pause() -> None:
    with running_legacy(LEGACY_DELAY_SECONDS=LONG_PAUSE, LEGACY_GENERATION="text") as base_url:
        address, params = f"{base_url}/stream", {"search_query": "first second"}
        with get(address, params=params, stream=True) as response:
            assert response.raw.read1() == b"data: first\n\n"
            assert state_of(base_url)["open_streams"] == 1
        state = state_once(base_url, lambda state: not state["open_streams"])
    assert (state["open_streams"], state["closed_early"]) == (0, 1)


def test_process_stops_in_time_with_a_stream_open() -> None:
    with running_legacy(LEGACY_DELAY_SECONDS=LONG_PAUSE) as base_url:
        response = get(f"{base_url}/stream", params={"search_query": "a b"}, stream=True)
        started = time.monotonic()
    assert time.monotonic() - started < STOP_SECONDS  # it was not killed
    response.close()


def test_uvicorn_can_start_it_too() -> None:
    with running_uvicorn(UVICORN_COMMAND, standin_environ({})) as base_url:
        assert get(f"{base_url}/health").json() == {"status": "OK"}


def test_empty_settings_count_as_unset() -> None:
    empty = dict.fromkeys(("LEGACY_GENERATION", "LEGACY_DONE", "LEGACY_TOKEN"), "")
    with running_legacy(**empty) as base_url:
        assert body_of(base_url, "word", topNDocuments=0) == (
            b"data: {'type': 'response', 'data': 'word'}\n\n"
        )


@pytest.mark.parametrize("command", [STANDIN_COMMAND, UVICORN_COMMAND])
def test_every_wrong_setting_is_listed_in_one_message(command: tuple[str, ...]) -> None:
    wrong = {
        "LEGACY_GENERATION": "xml",
        "LEGACY_DELAY_SECONDS": "nan",
        "LEGACY_DONE": "yes",
        "LEGACY_TOKEN": "two words",
    }
    finished = refused(command, **wrong)
    assert finished.returncode == 1
    assert finished.stderr.splitlines() == [
        "LEGACY_GENERATION: 'xml' is not one of text, literal, json",
        "LEGACY_DELAY_SECONDS: 'nan' is not a number from 0 to 3600",
        "LEGACY_DONE: 'yes' is not 0 or 1",
        "LEGACY_TOKEN: has a character other than letters, digits and ._~+/=-",
    ]


@pytest.mark.parametrize("delay_seconds", ["-1", "3601", "inf", "soon"])
def test_failed_start_reports_what_the_process_printed(delay_seconds: str) -> None:
    with (
        pytest.raises(StartError, match=f"'{delay_seconds}' is not a number from 0 to 3600"),
        running_legacy(LEGACY_DELAY_SECONDS=delay_seconds),
    ):
        pass


def test_impossible_port_is_refused_in_one_sentence() -> None:
    command = (*STANDIN_COMMAND[:-1], "65536")
    finished = refused(command)
    assert finished.returncode == 2
    assert finished.stderr.endswith("error: --port: 65536 is not a number from 0 to 65535\n")
