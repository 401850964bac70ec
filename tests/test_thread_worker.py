"""The threads of the default command take turns, and nobody is held up by one that waits.

How turns are taken is tested in test_turns.py, and all that threads serve wherever a test asks
for `gunicorn`.
"""

import errno
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from gunicorn.config import Config

from llm_proxy.server.thread_worker import TurnWorker, _Calls
from llm_proxy.work.turns import Turns
from tests.builders import chat_document
from tests.raw_client import asked, sent
from tests.servers import PATIENCE_SECONDS, Server, new_session, running_gunicorn

CHAT = "/v1/chat/completions"

LONG = "word " * 100_000
"""Much more than fits into the buffers between a server and a client that reads nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_gunicorn(MOCK_REPLY="echo") as running:
        yield running


def test_clients_that_read_nothing_hold_nobody_up(server: Server) -> None:
    with ExitStack() as connections:
        for _ in range(4):
            document = chat_document(LONG, stream=True)
            connections.enter_context(sent(server.url, CHAT, document))
        assert asked(server.url, CHAT, chat_document()).end == "whole"


def test_connections_that_say_nothing_hold_nobody_up(server: Server) -> None:
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    with ExitStack() as connections:
        for _ in range(8):
            connections.enter_context(socket.create_connection(address))
        assert asked(server.url, CHAT, chat_document()).end == "whole"


def test_a_connection_is_used_again_while_others_wait(server: Server) -> None:
    with ExitStack() as everything:
        for _ in range(4):
            document = chat_document(LONG, stream=True)
            everything.enter_context(sent(server.url, CHAT, document))
        session = everything.enter_context(new_session())
        for _ in range(3):
            answer = session.post(server.url + CHAT, json=chat_document(), timeout=PATIENCE_SECONDS)
            assert answer.status_code == 200


def test_while_streams_end_a_server_that_stops_refuses_new_connections() -> None:
    """Behind a socket that still listens they would wait for an answer that never comes."""
    stall = {"X-Mock-Fault": "stall; after=1"}
    with (
        running_gunicorn() as server,
        sent(server.url, CHAT, chat_document(stream=True), stall) as stream,
    ):
        assert stream.recv(1)
        server.process.terminate()
        deadline = time.monotonic() + PATIENCE_SECONDS / 2
        while not _refuses(server):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert server.process.poll() is None


def _refuses(server: Server) -> bool:
    with socket.socket() as probe:
        port = int(server.url.rpartition(":")[2])
        return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def _readable(calls: _Calls) -> bool:
    return bool(select.select([calls.fileno()], [], [], 0)[0])


def test_the_main_thread_is_woken_once_when_nothing_more_is_about_to_be_answered() -> None:
    more = True
    called: list[str] = []
    calls = _Calls(lambda: more)
    calls.init()
    try:
        calls.defer(called.append, "first")
        assert not _readable(calls)
        more = False
        calls.defer(called.append, "second")
        calls.defer(called.append, "third")
        assert _readable(calls)
        assert os.read(calls.fileno(), 64) == b"\0"
        calls.run_callbacks()
        assert called == ["first", "second", "third"]
        calls.defer(called.append, "fourth")
        assert _readable(calls)
        calls.run_callbacks()
        assert called[3:] == ["fourth"]
        assert not _readable(calls)
    finally:
        calls.close()


def test_a_wake_that_comes_after_what_it_tells_of_is_heard_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    called: list[str] = []
    calls = _Calls(lambda: False)
    calls.init()
    write = os.write

    def late(descriptor: int, wake: bytes) -> int:
        calls.run_callbacks()  # as the main thread does while this one is about to write
        return write(descriptor, wake)

    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", late)
            calls.defer(called.append, "first")
        assert called == ["first"]
        assert _readable(calls)
        calls.run_callbacks(calls.fileno())  # as gunicorn's selector calls it
        assert not _readable(calls)
    finally:
        calls.close()


class Poller:
    """Nothing happens, and it says for how long that would be waited for."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def select(self, timeout: float) -> list[Any]:
        self.waited.append(timeout)
        return []


def test_what_woke_nobody_is_not_left_until_something_else_happens() -> None:
    worker = TurnWorker(1, os.getpid(), [], None, 30, Config(), None)
    worker.poller = poller = Poller()
    worker.tpool = turns = Turns(1)
    answered, begun, told = threading.Event(), threading.Event(), threading.Event()
    called: list[str] = []

    def stream() -> None:
        begun.set()
        assert told.wait(PATIENCE_SECONDS)

    worker.method_queue.init()
    try:
        # An answer ends while a stream is about to begin, and that begins before the main
        # thread looks again.
        first = turns.submit(answered.wait, PATIENCE_SECONDS)
        first.add_done_callback(lambda _: worker.method_queue.defer(called.append, "answered"))
        turns.submit(stream)
        answered.set()
        assert begun.wait(PATIENCE_SECONDS)
        assert not turns.waiting
        worker.wait_for_and_dispatch_events(1.0)
        assert called == ["answered"]
        assert poller.waited == [0.0]
        worker.wait_for_and_dispatch_events(1.0)
        assert poller.waited[1:] == [1.0]
    finally:
        told.set()
        worker.method_queue.close()
        worker.tmp.close()
