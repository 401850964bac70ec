"""Connecting: as long as it may take, to whichever address of a name that answers."""

import socket
import threading
import time
from typing import Any

import pytest

from llm_proxy.adapter.upstream import Upstream
from llm_proxy.errors import UpstreamError, UpstreamTimeout
from tests.raw_upstream import (
    CLOSING_HEAD,
    event,
    full_backlog,
    payloads_of,
    raw_upstream,
    settings_for,
)
from tests.scraped import eventually

Named = dict[str, list[tuple[str, int]]]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Named:
    """Names with the addresses that a test gives them."""
    names: Named = {}
    real = socket.getaddrinfo

    def lookup(host: str, *args: Any, **kwargs: Any) -> Any:
        if host not in names:
            return real(host, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return names


def address_of(url: str) -> tuple[str, int]:
    return "127.0.0.1", int(url.split("/")[2].rpartition(":")[2])


def payloads(url: str, **fields: Any) -> list[str]:
    asked = payloads_of(Upstream(settings_for(url, **fields)))
    return [payload for payload in asked if payload is not None]


def test_an_address_that_does_not_answer_leaves_time_for_the_next(named: Named) -> None:
    with full_backlog() as mute, raw_upstream(CLOSING_HEAD + event("one")) as upstream:
        named["legacy.test"] = [address_of(mute), address_of(upstream.url)]
        assert payloads("http://legacy.test/stream", connect_timeout_seconds=1.0) == ["one"]


def test_an_address_that_refuses_costs_no_time(named: Named) -> None:
    with socket.socket() as taken, raw_upstream(CLOSING_HEAD + event("one")) as upstream:
        taken.bind(("127.0.0.1", 0))  # and never listening
        named["legacy.test"] = [taken.getsockname(), address_of(upstream.url)]
        assert payloads("http://legacy.test/stream") == ["one"]


def test_the_limit_holds_for_all_addresses_together(named: Named) -> None:
    with full_backlog() as mute:
        named["legacy.test"] = [address_of(mute)] * 3
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout, match="STREAM_CONNECT_TIMEOUT"):
            payloads("http://legacy.test/stream", connect_timeout_seconds=1.0)
        assert 0.9 < time.monotonic() - began < 2.0


def test_a_name_without_addresses_is_an_error(named: Named) -> None:
    named["legacy.test"] = []
    with pytest.raises(UpstreamError, match="cannot be reached"):
        payloads("http://legacy.test/stream")


def test_a_lookup_that_hangs_ends_with_the_limit_on_connecting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No system lets a lookup be ended; its thread lives until the resolver gives up."""
    gate = threading.Event()

    def lookup(*_: Any, **__: Any) -> Any:
        gate.wait(10)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(UpstreamTimeout, match="STREAM_CONNECT_TIMEOUT"):
        payloads("http://legacy.test/stream", connect_timeout_seconds=0.5)
    gate.set()


def test_a_client_that_leaves_while_a_connection_is_made_is_let_go() -> None:
    with full_backlog() as mute:
        upstream = Upstream(settings_for(mute))
        asked = payloads_of(upstream)
        assert next(asked) is None
        asked.close()
        eventually(lambda: upstream.threads.idle, 1)
