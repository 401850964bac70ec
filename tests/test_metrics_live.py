"""Metrics of a server with several workers, some of which die."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from socket import socket

import pytest

from tests.builders import chat_document
from tests.raw_client import sent
from tests.scraped import eventually, scrape, value
from tests.servers import GEVENT, MOCK, Server, running, running_gunicorn
from tests.workers import asleep, two_workers, workers

ROUTE = "/v1/chat/completions"
NEVER: Mapping[str, object] = {"ttftMs": 10**6, "namespace": "never"}


def ask(server: Server, times: int) -> None:
    for _ in range(times):
        assert server.request("POST", ROUTE, json=chat_document()).status_code == 200


def held(server: Server) -> AbstractContextManager[socket]:
    """A stream on which nothing comes, until the client leaves."""
    document = chat_document(stream=True)
    return sent(server.url, ROUTE, document, {"X-Mock-Namespace": "never"})


@contextmanager
def opened(server: Server, asleep_meanwhile: int) -> Iterator[None]:
    """A stream that is open, at the worker that is not asleep."""
    before = value(scrape(server), "llm_proxy_streams_open")
    with ExitStack() as stack:
        with asleep(asleep_meanwhile):
            stack.enter_context(held(server))
            eventually(lambda: value(scrape(server), "llm_proxy_streams_open"), before + 1)
        yield


def answered(server: Server) -> float:
    return value(scrape(server), "llm_proxy_requests_total", route=ROUTE, outcome="done")


def streams_open(server: Server) -> float:
    return value(scrape(server), "llm_proxy_streams_open")


@pytest.mark.parametrize("arguments", [(), ("--preload",), GEVENT])
def test_every_worker_tells_what_all_have_counted(arguments: tuple[str, ...]) -> None:
    if arguments == GEVENT:
        pytest.importorskip("gevent")
    with two_workers(*arguments) as (server, one, other):
        with asleep(one):
            ask(server, 2)
        with asleep(other):
            ask(server, 3)
        eventually(lambda: answered(server), 5.0)
        for pid in (one, other):
            with asleep(pid):
                assert answered(server) == 5


def test_what_a_dead_worker_counted_stays_and_what_it_held_goes() -> None:
    with two_workers() as (server, one, other):
        server.request("PUT", "/control/pacing", json=NEVER)
        with asleep(one):
            ask(server, 2)
        with asleep(other):
            ask(server, 3)
        eventually(lambda: answered(server), 5.0)
        with opened(server, other), opened(server, one):
            assert streams_open(server) == 2
            os.kill(one, signal.SIGKILL)
            eventually(lambda: streams_open(server), 1.0)
            assert answered(server) == 5
            _, new = workers(server, 3)
            with asleep(other):
                ask(server, 1)
            eventually(lambda: answered(server), 6.0)
        eventually(lambda: streams_open(server), 0.0)
        gone = {"route": ROUTE, "outcome": "client gone"}
        assert new not in (one, other)
        assert value(scrape(server), "llm_proxy_requests_total", **gone) == 1


def test_workers_that_die_take_no_count_with_them_and_leave_no_files(tmp_path: Path) -> None:
    with running_gunicorn(TMPDIR=str(tmp_path)) as server:
        ask(server, 1)
        eventually(lambda: answered(server), 1.0)
        files = sorted(tmp_path.glob("*/metrics-*/*"))
        for deaths in (1, 2):
            os.kill(workers(server, deaths)[-1], signal.SIGKILL)
            workers(server, deaths + 1)
            ask(server, 1)
            eventually(lambda: answered(server), 1.0 + deaths)
        assert sorted(tmp_path.glob("*/metrics-*/*")) == files


def test_a_server_that_reloads_goes_on_counting(tmp_path: Path) -> None:
    with two_workers(TMPDIR=str(tmp_path)) as (server, *_):
        ask(server, 3)
        eventually(lambda: answered(server), 3.0)
        server.process.send_signal(signal.SIGHUP)
        workers(server, 4)
        ask(server, 3)
        eventually(lambda: answered(server), 6.0)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    with running(MOCK, TMPDIR=str(tmp_path)) as server:
        ask(server, 1)
        eventually(lambda: answered(server), 1.0)
        (folder,) = tmp_path.glob("*/metrics-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert any(folder.iterdir())
    assert list(tmp_path.glob("*/metrics-*")) == []


def test_a_folder_of_one_that_was_killed_is_removed_at_the_next_start(tmp_path: Path) -> None:
    with running(MOCK, TMPDIR=str(tmp_path)) as killed:
        (left,) = tmp_path.glob("*/metrics-*")
        os.killpg(killed.process.pid, signal.SIGKILL)
        killed.process.wait()
        with running(MOCK, TMPDIR=str(tmp_path)) as server:
            (folder,) = tmp_path.glob("*/metrics-*")
            assert folder != left
            assert answered(server) == 0
