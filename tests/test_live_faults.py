"""Faults on the wire: what a client on a bare socket sees of each, under both servers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from llm_proxy.core.reply import WireFault, WireFaultKind
from llm_proxy.mock.faults.precedence import Faults
from llm_proxy.settings.chaos import Chaos
from llm_proxy.shell.mishaps import Cut, document_mishap, mishap
from tests.builders import empty_state
from tests.raw_client import NOTHING, End, RawAnswer, asked, sent
from tests.servers import FLASK, PATIENCE_SECONDS, Running, Server, running, running_gunicorn

TEXT = "héllo wörld 😀 there"
CHAT = "/v1/chat/completions"
FORGIVING_SECONDS = 10.0

SURFACES: dict[str, dict[str, Any]] = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": TEXT}]},
    "/v1/completions": {"model": "m", "prompt": TEXT},
    "/v1/fim/completions": {"model": "m", "prompt": TEXT, "suffix": "end"},
    "/v1/responses": {"model": "m", "input": TEXT},
}
RESOURCES: dict[tuple[str, str], dict[str, Any] | None] = {
    ("POST", "/v1/embeddings"): {"model": "m", "input": TEXT},
    ("POST", "/v1/moderations"): {"input": TEXT},
    ("POST", "/v1/rerank"): {"model": "m", "query": "a", "documents": [TEXT, "b"]},
    ("GET", "/v1/models"): None,
    ("GET", "/v1/models/gpt-4o"): None,
    ("GET", CHAT): None,
}
STREAMED = {True: "streamed", False: "whole"}

WIRE_FAULTS = [
    *(WireFault(kind, 2) for kind in ("disconnect", "reset", "truncate", "malformed")),
    *(WireFault(kind, 2) for kind in ("duplicate", "coalesce", "crlf", "no_space")),
    *(WireFault(kind, 2) for kind in ("multi_line", "comment", "no_final_blank_line")),
    WireFault("stall", 2, 0.3),
    WireFault("slow_drip", 2, 0.001),
    WireFault("split_utf8"),
    WireFault("disconnect", 1, 0.1),
    WireFault("disconnect"),
    WireFault("reset"),
]


@pytest.fixture(scope="module")
def server(gunicorn: Running) -> Iterator[Server]:
    """A mock that echoes; a silence that nobody asked for would be seen by its comments."""
    with gunicorn(MOCK_REPLY="echo", LLM_PROXY_KEEPALIVE_SECONDS="0.1") as server:
        yield server


@pytest.fixture(scope="module")
def development_server() -> Iterator[Server]:
    with running(FLASK, MOCK_REPLY="echo") as server:
        yield server


def header(fault: WireFault) -> dict[str, str]:
    seconds = "" if fault.seconds is None else f"; seconds={fault.seconds}"
    return {"X-Mock-Fault": f"{fault.kind}; after={fault.after}{seconds}"}


def chat(server: Server, *, stream: bool, **headers: str) -> RawAnswer:
    return asked(server.url, CHAT, SURFACES[CHAT] | {"stream": stream}, headers)


def same(body: bytes) -> bytes:
    """The bytes without what differs from answer to answer; nothing changes its length."""
    return re.sub(
        rb'((?:chatcmpl-|cmpl-|resp_|msg_|"created(?:_at)?":))[0-9a-z]+',
        lambda match: match[0][: len(match[1])] + b"." * (len(match[0]) - len(match[1])),
        body,
    )


def predicted(plain: RawAnswer, fault: WireFault, *, stream: bool) -> tuple[list[bytes], str]:
    """The chunks, and the end, that a whole answer becomes by a fault."""
    wire = mishap(plain.chunks, fault) if stream else document_mishap(plain.body, fault)
    chunks, end = [], "whole"
    for item in wire:
        match item:
            case bytes():
                chunks.append(item)
            case Cut(how):
                end = {"end": "whole", "disconnect": "closed", "reset": "reset"}[how]
                break
    return chunks, end


@pytest.mark.parametrize("fault", WIRE_FAULTS, ids=lambda fault: f"{fault.kind} {fault.after}")
def test_each_fault_happens_to_a_stream_write_by_write(server: Server, fault: WireFault) -> None:
    plain = chat(server, stream=True)
    assert plain.end == "whole"
    faulty = chat(server, stream=True, **header(fault))
    chunks, end = predicted(plain, fault, stream=True)
    assert [len(chunk) for chunk in faulty.chunks] == [len(chunk) for chunk in chunks]
    assert same(faulty.body) == same(b"".join(chunks))
    assert faulty.end == end
    assert faulty.status == (200 if chunks else 0)


@pytest.mark.parametrize("fault", WIRE_FAULTS, ids=lambda fault: f"{fault.kind} {fault.after}")
def test_each_fault_happens_to_a_document(server: Server, fault: WireFault) -> None:
    plain = chat(server, stream=False)
    faulty = chat(server, stream=False, **header(fault))
    chunks, end = predicted(plain, fault, stream=False)
    assert (faulty.status, faulty.end) == (200, end)
    assert same(faulty.body) == same(b"".join(chunks))
    if fault.kind in ("disconnect", "reset"):
        assert faulty.headers["content-length"] == str(len(plain.body))


@pytest.mark.parametrize("stream", [True, False], ids=STREAMED.get)
@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize("kind", ["disconnect", "reset", "truncate", "malformed"])
def test_every_surface_has_the_faults(
    server: Server, path: str, kind: WireFaultKind, stream: bool
) -> None:
    document, fault = SURFACES[path] | {"stream": stream}, WireFault(kind, 2)
    plain = asked(server.url, path, document)
    faulty = asked(server.url, path, document, header(fault))
    chunks, end = predicted(plain, fault, stream=stream)
    assert (faulty.status, faulty.end) == (200, end)
    assert same(faulty.body) == same(b"".join(chunks))


@pytest.mark.parametrize("stream", [True, False], ids=STREAMED.get)
@pytest.mark.parametrize("path", SURFACES)
def test_every_surface_fails_with_a_status(server: Server, path: str, stream: bool) -> None:
    headers = {"X-Mock-Status": "429", "X-Mock-Retry-After": "2"}
    refused = asked(server.url, path, SURFACES[path] | {"stream": stream}, headers)
    assert (refused.status, refused.error()["code"]) == (429, "rate_limit_exceeded")
    told = {name: refused.headers[name] for name in ("retry-after", "retry-after-ms")}
    assert told == {"retry-after": "2", "retry-after-ms": "2000"}
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-remaining-tokens"] != "0"


@pytest.mark.parametrize("path", SURFACES)
@pytest.mark.parametrize("after", [0, 2])
def test_every_surface_has_an_error_event(server: Server, path: str, after: int) -> None:
    headers = {"X-Mock-Fault": f"error_event; after={after}", "X-Mock-Status": "503"}
    stream = asked(server.url, path, SURFACES[path] | {"stream": True}, headers)
    assert (stream.status, stream.end) == (200, "whole")
    assert b'"code":"service_unavailable"' in stream.body
    assert b"[DONE]" not in stream.body
    assert (b"w\xc3\xb6rld" in stream.body) == (after == 2)
    document = asked(server.url, path, SURFACES[path], headers)
    assert (document.status, document.error()["code"]) == (503, "service_unavailable")


TOOLS = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize("stream", [True, False], ids=STREAMED.get)
@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [("bad_tool_arguments", b"search", b"{"), ("unknown_tool", b"unknown_tool", b"{}")],
)
def test_a_call_can_be_spoilt(
    server: Server, stream: bool, kind: str, name: bytes, arguments: bytes
) -> None:
    document = SURFACES[CHAT] | {"stream": stream, "tools": TOOLS, "tool_choice": "required"}
    spoilt = asked(server.url, CHAT, document, {"X-Mock-Fault": kind})
    assert b'"name":"%b"' % name in spoilt.body
    pieces = re.findall(rb'"arguments":"([^"]*)"', spoilt.body)
    assert b"".join(pieces) == arguments


@pytest.mark.parametrize(("method", "path"), RESOURCES)
def test_every_resource_has_faults(server: Server, method: str, path: str) -> None:
    def answer(**headers: str) -> RawAnswer:
        return asked(server.url, path, RESOURCES[method, path], headers, method)

    plain = answer()
    assert (plain.status, plain.end) == (200, "whole")
    refused = answer(**{"X-Mock-Status": "503", "X-Mock-Delay-Ms": "1"})
    assert (refused.status, refused.error()["code"]) == (503, "service_unavailable")
    half = len(plain.body) // 2
    for kind, end in (("disconnect", "closed"), ("reset", "reset"), ("truncate", "whole")):
        cut = answer(**{"X-Mock-Fault": kind})
        assert (cut.status, cut.end, len(cut.body)) == (200, end, half)
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer(**{"X-Mock-Fault": "malformed"}).body)


def test_a_malformed_header_is_refused_everywhere(server: Server) -> None:
    everywhere = [("POST", path) for path in SURFACES] + list(RESOURCES)
    for method, path in everywhere:
        document = SURFACES.get(path) if method == "POST" else None
        document = document or RESOURCES.get((method, path))
        refused = asked(server.url, path, document, {"X-Mock-Fault": "explode"}, method)
        assert (refused.status, refused.error()["param"]) == (400, "X-Mock-Fault")


@pytest.mark.parametrize("after", [0, 1])
def test_the_development_server_disconnects_too(development_server: Server, after: int) -> None:
    asked_to_stay = {"Connection": "keep-alive", **header(WireFault("disconnect", after))}
    faulty = chat(development_server, stream=True, **asked_to_stay)
    assert (faulty.status, len(faulty.chunks), faulty.end) == (200 if after else 0, after, "closed")


def test_a_head_request_has_no_body_to_spoil(server: Server) -> None:
    head = asked(server.url, "/v1/models", None, {"X-Mock-Fault": "disconnect"}, "HEAD")
    assert (head.status, head.body) == (200, b"")


def test_a_stall_is_silent_until_the_client_leaves(server: Server) -> None:
    document = SURFACES[CHAT] | {"stream": True, "model": "stalls"}
    headers = {"X-Mock-Fault": "stall; after=1"}
    with sent(server.url, CHAT, document, headers) as connection:
        received = b""
        while b"\n\n" not in received:
            received += connection.recv(65536)
        connection.settimeout(0.5)  # five comments would have come
        with pytest.raises(TimeoutError):
            connection.recv(65536)
    line = server.wait_for_log(lambda line: "model=stalls" in line)
    assert "end=scripted" in line


def test_a_delay_is_silent(server: Server) -> None:
    delayed = chat(server, stream=True, **{"X-Mock-Delay-Ms": "300"})
    assert delayed.end == "whole"
    assert b": keep-alive" not in delayed.body


@pytest.mark.parametrize(
    ("headers", "end"),
    [
        ({"X-Mock-Status": "500"}, "scripted"),
        ({"X-Mock-Fault": "disconnect; after=1"}, "scripted"),
        ({"X-Mock-Fault": "reset"}, "scripted"),
        ({"X-Mock-Fault": "truncate"}, "scripted"),
        ({"X-Mock-Fault": "crlf"}, "scripted"),
        ({"X-Mock-Fault": "disconnect; after=999"}, "done"),
        ({"X-Mock-Fault": "error_event; after=1"}, "scripted"),
        ({"X-Mock-Delay-Ms": "1"}, "done"),
        ({"X-Mock-Fault": "explode"}, "refused"),
    ],
)
def test_the_log_tells_faults_that_were_asked_for(
    server: Server, headers: dict[str, str], end: str
) -> None:
    model = "logged-" + "-".join(re.findall("[a-z0-9]+", str(headers).lower()))
    asked(server.url, CHAT, SURFACES[CHAT] | {"stream": True, "model": model}, headers)
    assert f" end={end} " in server.wait_for_log(lambda line: f"model={model} " in line)


ENDS: dict[str, End] = {"disconnect": "closed", "reset": "reset"}


def test_connections_that_are_cut_leave_nothing_behind(gunicorn: Running) -> None:
    """With room for four connections, one that was still counted would soon be missed."""
    with gunicorn("--worker-connections", "4", "--threads", "2") as server:
        for _ in range(5):
            for kind, end in ENDS.items():
                fault = {"X-Mock-Fault": kind}
                assert chat(server, stream=True, **fault) == NOTHING._replace(end=end)
                assert chat(server, stream=False, **fault).end == end
        assert chat(server, stream=True).end == "whole"
        server.process.terminate()
        assert server.process.wait(FORGIVING_SECONDS) == 0
        assert not [line for line in server.log_lines() if "Traceback" in line or "rror" in line]


def test_a_client_that_stays_after_the_cut_does_not_hold_the_server_up(server: Server) -> None:
    document = SURFACES[CHAT] | {"stream": True}
    with sent(server.url, CHAT, document, {"X-Mock-Fault": "disconnect"}) as connection:
        assert connection.recv(65536) == b""
        connection.settimeout(PATIENCE_SECONDS)
        assert chat(server, stream=True).end == "whole"


def test_the_development_server_says_that_it_cannot_reset(development_server: Server) -> None:
    for stream in (True, False):
        refused = chat(development_server, stream=stream, **{"X-Mock-Fault": "reset; after=1"})
        assert (refused.status, refused.error()["code"]) == (501, "fault_not_possible")
        assert "needs gunicorn" in refused.error()["message"]


def test_the_development_server_can_disconnect(development_server: Server) -> None:
    fault = {"X-Mock-Fault": "disconnect; after=2"}
    streamed = chat(development_server, stream=True, **fault)
    assert (streamed.status, streamed.end, len(streamed.chunks)) == (200, "closed", 2)
    assert chat(development_server, stream=False, **fault).end == "closed"
    line = development_server.wait_for_log(lambda line: "end=scripted" in line)
    assert "stream=true" in line
    assert not [line for line in development_server.log_lines() if "Traceback" in line]


def test_chance_fails_the_same_requests_in_every_run() -> None:
    chaos = '{"dropRate": 0.4, "latencyMs": 1}'
    expected = Faults(empty_state(), Chaos(drop_rate=0.4), seed=7)
    fails = [expected.trouble({}).fails for _ in range(12)]
    assert len(set(fails)) == 2
    with running_gunicorn(MOCK_CHAOS=chaos, MOCK_SEED="7") as server:
        statuses = [chat(server, stream=False).status for _ in range(12)]
    assert statuses == [500 if failed else 200 for failed in fails]
