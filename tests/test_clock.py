"""The client's connection under a wait, and how it is cut while the server still holds it."""

import errno
import math
import socket
from collections.abc import Iterator

import pytest

from llm_proxy.errors import ClientGone, ConnectionCut
from llm_proxy.shell import clock as clock_module
from llm_proxy.shell.clock import ClientClock, GreenletClock
from tests.servers import PATIENCE_SECONDS

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The server's end of a TCP connection, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname(), timeout=PATIENCE_SECONDS)
        server, _ = listening.accept()
    with client, server:
        yield server, client


CLOCKS = pytest.mark.parametrize("kind", [ClientClock, GreenletClock])


@CLOCKS
def test_a_wait_ends_when_the_client_leaves(pair: Pair, kind: type[ClientClock]) -> None:
    server, client = pair
    clock = kind(server)
    assert clock.sees_client
    client.close()
    with pytest.raises(ClientGone):
        clock.wait(math.inf)


@CLOCKS
def test_a_client_that_has_closed_all_of_it_is_told_from_one_that_reads(
    pair: Pair, kind: type[ClientClock]
) -> None:
    server, client = pair
    client.shutdown(socket.SHUT_WR)
    server.sendall(b"more")
    assert kind(server).client_reads(0.0)
    client.close()
    assert not kind(server).client_reads(PATIENCE_SECONDS)


@CLOCKS
@pytest.mark.parametrize("watched", [True, False])
def test_a_long_wait_is_lived_through_in_turns(
    pair: Pair, watched: bool, kind: type[ClientClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_module, "_TURN_SECONDS", 0.001)
    monkeypatch.setattr(clock_module, "LOOK_SECONDS", 0.001)
    clock = kind(pair[0] if watched else None)
    began = clock.now()
    clock.wait(0.02)
    assert clock.now() - began >= 0.02


def test_a_wait_for_the_past_is_none(pair: Pair) -> None:
    ClientClock(pair[0]).wait(-math.inf)


def test_the_client_is_told_of_a_reset_while_the_server_still_holds_the_connection(
    pair: Pair,
) -> None:
    server, client = pair
    server.sendall(b"half")
    with pytest.raises(ConnectionCut) as cut:
        ClientClock(server, can_reset=True).cut(reset=True)
    assert cut.value.errno == errno.EPIPE
    assert client.recv(65536) == b"half"
    with pytest.raises(ConnectionResetError):
        client.recv(65536)
    server.shutdown(socket.SHUT_WR)  # as gunicorn does, without harm
    assert server.recv(65536) == b""


def test_the_client_is_told_of_an_end_while_the_server_still_holds_the_connection(
    pair: Pair,
) -> None:
    server, client = pair
    server.sendall(b"half")
    with pytest.raises(ConnectionCut):
        ClientClock(server, can_reset=True).cut(reset=False)
    assert (client.recv(65536), client.recv(65536)) == (b"half", b"")


def test_a_server_that_cannot_reset_still_tells_the_client_of_the_end(pair: Pair) -> None:
    server, client = pair
    server.sendall(b"half")
    with pytest.raises(ConnectionCut):
        ClientClock(server).cut(reset=False)
    assert (client.recv(65536), client.recv(65536)) == (b"half", b"")
    assert server.fileno() >= 0  # the server closes it, as it does with every other


def test_without_a_connection_only_the_server_can_end_it() -> None:
    with pytest.raises(ConnectionCut):
        ClientClock(None).cut(reset=False)


def test_a_client_that_left_before_is_no_trouble(pair: Pair) -> None:
    server, client = pair
    client.close()
    server.close()
    with pytest.raises(ConnectionCut):
        ClientClock(server).cut(reset=False)
