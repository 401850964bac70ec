"""The client report, on a client that behaves and on one that does everything wrong."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionAssistantMessageParam

from llm_proxy.control.attempts import RETRY_COUNT
from llm_proxy.control.conduct import TOLERANCE_SECONDS
from tests.builders import chat_document
from tests.raw_client import asked, sent
from tests.sdk import client_of, user
from tests.servers import PATIENCE_SECONDS, Server, ended, running_gunicorn

CHAT = "/v1/chat/completions"


@pytest.fixture
def server() -> Iterator[Server]:
    """A mock of each test's own, as the report is on all that a server has seen."""
    with running_gunicorn(MOCK_REPLY="echo") as running:
        yield running


def fail(server: Server, **fault: Any) -> None:
    assert server.request("POST", "/control/faults", json=fault).status_code == 201


def report(server: Server) -> dict[str, Any]:
    answer = server.request("GET", "/control/report")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def ids(server: Server) -> list[str]:
    """The ids of all exchanges, the oldest first."""
    return [one["id"] for one in server.request("GET", "/control/requests").json()["data"]][::-1]


def only_finding(server: Server, rule: str) -> Mapping[str, Any]:
    told = report(server)
    assert [finding["rule"] for finding in told["findings"]] == [rule]
    assert told["ok"] is False
    finding: Mapping[str, Any] = told["findings"][0]
    assert finding["message"]
    assert finding["source"]
    return finding


def test_the_official_client_behaves(server: Server) -> None:
    fail(server, status=429, retryAfter=1)
    fail(server, status=503, times=2)
    with client_of(server, "/v1", max_retries=3) as client:
        client.chat.completions.create(model="gpt-4o", messages=[user("hi")])
        for fault in ({"status": 400}, {"status": 429, "code": "insufficient_quota"}):
            fail(server, **fault, times=1)
            with pytest.raises(openai.APIStatusError):
                client.with_options(max_retries=0).chat.completions.create(
                    model="gpt-4o", messages=[user(str(fault))]
                )
        fail(server, kind="disconnect", afterChunks=2)
        stream = client.chat.completions.create(
            model="gpt-4o", messages=[user("one two three")], stream=True
        )
        with pytest.raises(openai.APIConnectionError):
            list(stream)
        for _ in range(2):
            stream = client.chat.completions.create(
                model="gpt-4o", messages=[user("one two three")], stream=True
            )
            assert list(stream)
        told = report(server)
    assert told == {"ok": True, "exchanges": 9, "findings": [], "notChecked": []}


def assert_well_behaved(server: Server) -> None:
    assert report(server)["findings"] == []


@pytest.mark.parametrize("kind", ["disconnect", "reset"])
def test_a_client_may_go_on_with_what_came_whole_at_the_second_time(
    server: Server, kind: str
) -> None:
    fail(server, kind=kind)
    with client_of(server, "/v1", max_retries=2) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=[user("one two")])
        go_on(client, answer.choices[0].message.content)
    assert len(ids(server)) == 3
    assert_well_behaved(server)


@pytest.mark.parametrize("after", [4, 999])
def test_a_client_may_go_on_with_a_stream_that_came_whole(server: Server, after: int) -> None:
    """Either it asks again, as the text was there and its end was not, or nothing broke."""
    fail(server, kind="disconnect", afterChunks=after)
    said = ""
    with client_of(server, "/v1") as client:
        while not said:
            stream = client.chat.completions.create(
                model="gpt-4o", messages=[user("one two")], stream=True
            )
            with suppress(openai.APIConnectionError):
                said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        go_on(client, said)
    assert len(ids(server)) == (3 if after == 4 else 2)
    assert_well_behaved(server)


def go_on(client: openai.OpenAI, said: str | None) -> None:
    """Ask the next question of a conversation that was answered with this."""
    answer: ChatCompletionAssistantMessageParam = {"role": "assistant", "content": said}
    client.chat.completions.create(
        model="gpt-4o", messages=[user("one two"), answer, user("and then?")]
    )


def test_a_client_that_gave_up_may_ask_again(server: Server) -> None:
    fail(server, delayMs=5000, times=1)
    with client_of(server, "/v1", max_retries=1) as client:
        hasty = client.with_options(timeout=0.3)
        hasty.chat.completions.create(model="gpt-4o", messages=[user("hi")])
    server.wait_for_log(lambda line: "client gone" in line)
    assert len(ids(server)) == 2
    assert_well_behaved(server)


@pytest.mark.parametrize("status", [400, 429, 503])
@pytest.mark.parametrize("workers", [5, 3])
def test_who_asks_several_times_at_once_retries_nothing(
    server: Server, status: int, workers: int
) -> None:
    fail(server, status=status, retryAfter=1, delayMs=100, times=5)
    with ThreadPoolExecutor(workers) as pool:
        answers = [pool.submit(asked, server.url, CHAT, chat_document()) for _ in range(5)]
    assert {answer.result().status for answer in answers} == {status}
    assert_well_behaved(server)


def test_the_official_client_that_asks_several_times_at_once_behaves(server: Server) -> None:
    async def ask(client: openai.AsyncOpenAI, number: int) -> None:
        await asyncio.sleep(number / 10)
        await client.chat.completions.create(model="gpt-4o", messages=[user("hi")])

    async def ask_all() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1",
            api_key="x",
            max_retries=2,
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        ) as client:
            await asyncio.gather(*(ask(client, number) for number in range(4)))

    fail(server, status=429, retryAfter=1, times=4)
    asyncio.run(ask_all())
    assert len(ids(server)) == 8
    assert_well_behaved(server)


def test_who_counts_its_retries_is_known_to_be_hasty_among_others(server: Server) -> None:
    fail(server, status=429, retryAfter=30, times=2)
    for count in (0, 0, 1):
        asked(server.url, CHAT, chat_document(), {RETRY_COUNT: str(count)})
    first, _, retry = ids(server)
    assert only_finding(server, "ignored_retry_after")["exchanges"] == [first, retry]


def test_two_clients_of_one_process_have_a_connection_each(server: Server) -> None:
    with ExitStack() as clients:
        for _ in range(2):
            client = clients.enter_context(client_of(server, "/v1"))
            client.chat.completions.create(model="gpt-4o", messages=[user("hi")])
            time.sleep(2 * TOLERANCE_SECONDS)
        assert_well_behaved(server)


def test_a_request_that_cannot_succeed_is_repeated(server: Server) -> None:
    for _ in range(2):
        asked(server.url, CHAT, {"model": "gpt-4o"})
    assert only_finding(server, "retried_in_vain")["exchanges"] == ids(server)


def test_a_quota_that_is_used_up_is_asked_again(server: Server) -> None:
    fail(server, status=429, code="insufficient_quota")
    for _ in range(2):
        asked(server.url, CHAT, chat_document())
    assert only_finding(server, "retried_in_vain")["exchanges"] == ids(server)


def test_retry_after_is_ignored(server: Server) -> None:
    fail(server, status=503, retryAfter=30)
    for _ in range(2):
        asked(server.url, CHAT, chat_document())
    finding = only_finding(server, "ignored_retry_after")
    assert finding["exchanges"] == ids(server)
    assert finding["message"].startswith("It was asked to wait for 30 s, and came again after ")


def test_a_server_in_need_is_hammered(server: Server) -> None:
    fail(server, status=500, times=3)
    for _ in range(4):
        asked(server.url, CHAT, chat_document())
    assert only_finding(server, "hammered")["exchanges"] == ids(server)


def test_a_request_that_is_asked_again_after_a_success_is_no_retry(server: Server) -> None:
    for _ in range(4):
        asked(server.url, CHAT, chat_document())
    assert report(server)["ok"] is True


def test_a_truncated_reply_is_taken_for_a_whole_one(server: Server) -> None:
    fail(server, kind="disconnect", afterChunks=3)
    answer = asked(server.url, CHAT, chat_document("one two three four", stream=True))
    chunks = [json.loads(chunk.removeprefix(b"data: ")) for chunk in answer.chunks]
    came = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert came == "one two "
    history = [
        {"role": "user", "content": "one two three four"},
        {"role": "assistant", "content": came},
        {"role": "user", "content": "and then?"},
    ]
    asked(server.url, CHAT, {"model": "gpt-4o", "messages": history})
    assert only_finding(server, "accepted_truncated")["exchanges"] == ids(server)


def test_a_connection_is_left_open(server: Server) -> None:
    with ExitStack() as left_open:
        for _ in range(2):
            connection = left_open.enter_context(
                sent(server.url, CHAT, chat_document(), {"Connection": "keep-alive"})
            )
            _read_until(connection, b'"system_fingerprint"')
            # The next one has to come later than the end of this one, and only time makes it.
            time.sleep(2 * TOLERANCE_SECONDS)
        assert only_finding(server, "left_open")["exchanges"] == ids(server)
    assert report(server)["ok"] is True


def test_a_client_reads_on_after_it_has_hung_up(server: Server) -> None:
    server.request("PUT", "/control/pacing", json={"ttftMs": 1, "tokensPerSecond": 20})
    body = chat_document("word " * 200, stream=True)
    with sent(server.url, CHAT, body) as connection:
        _read_until(connection, b"data: ")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    server.wait_for_log(lambda line: "client gone" in line)
    assert only_finding(server, "read_on")["exchanges"] == ids(server)


def test_a_client_that_hangs_up_does_nothing_wrong(server: Server) -> None:
    server.request("PUT", "/control/pacing", json={"ttftMs": 1, "tokensPerSecond": 20})
    with sent(server.url, CHAT, chat_document("word " * 200, stream=True)) as connection:
        _read_until(connection, b"data: ")
    server.wait_for_log(lambda line: "client gone" in line)
    assert report(server) == {"ok": True, "exchanges": 1, "findings": [], "notChecked": []}


def test_the_command_prints_the_report_and_fails_on_findings(server: Server) -> None:
    command = (sys.executable, "-m", "llm_proxy", "report", "--url", server.url)
    clean = ended(command)
    assert (clean.returncode, clean.stdout) == (0, "0 findings in 0 exchanges\n")
    for _ in range(2):
        asked(server.url, CHAT, {"model": "gpt-4o"})
    told = ended(command)
    assert told.returncode == 1
    first, by, see, count = told.stdout.splitlines()
    assert first.startswith("retried_in_vain: It repeated a request that was answered with 400")
    assert by.startswith("    by: OpenAI's SDKs")
    assert see == f"    see: {', '.join(ids(server))}"
    assert count == "1 finding in 2 exchanges"
    other = ended((*command, "--namespace", "nobody"))
    assert (other.returncode, other.stdout) == (0, "0 findings in 0 exchanges\n")


def test_the_command_tells_when_there_is_no_server() -> None:
    told = ended((sys.executable, "-m", "llm_proxy", "report", "--url", "http://127.0.0.1:9"))
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("http://127.0.0.1:9 cannot be reached")


def _read_until(connection: socket.socket, part: bytes) -> bytes:
    """Read until `part` has come."""
    connection.settimeout(PATIENCE_SECONDS)
    received = b""
    while part not in received:
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received
