"""The log over real sockets: one line for each request, true to what was sent, without secrets."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests

from llm_proxy.records.request_log import LOOKED_AT, MAX_BODY_CHARACTERS, MAX_NAME_CHARACTERS
from tests.raw_upstream import (
    CHUNKED_HEAD,
    LAST_CHUNK,
    Act,
    Step,
    chunk,
    citation,
    event,
    head,
    raw_upstream,
    word,
)
from tests.servers import Server, running_gunicorn

CHAT = "/v1/chat/completions"
ADAPTER_CHAT = "/adapter/v1/chat/completions"
MAX_BODY_BYTES = 4096
API_KEYS = ("first-of-two-keys", "second-of-two-keys")
BEARER_TOKEN = "the-token-of-the-upstream"
COOKIE = 'session="with-quotes"'
HEADER_VALUE = "schlüsselwort"

_LINE = re.compile(
    r"(?P<time>\S+) (?P<level>[A-Z]+) (?P<method>[A-Z]+) (?P<path>.*) (?P<status>[0-9]{3})"
    r'(?P<more>(?: [a-z_]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]+))*)'
)
_FIELD = re.compile(r' ([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)')


@contextmanager
def running_server(**env: str) -> Iterator[Server]:
    """The mock as an echo, and the adapter in front of a port that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listening
        upstream = f"http://127.0.0.1:{taken.getsockname()[1]}/stream"
        with running_gunicorn(MOCK_REPLY="echo", STREAM_URL=upstream, **env) as server:
            yield server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Logs as it does when nobody asked for anything else."""
    with running_server(LLM_PROXY_MAX_BODY_BYTES=str(MAX_BODY_BYTES)) as server:
        yield server


@pytest.fixture(scope="module", params=["text", "json"])
def debugged(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Logs bodies, and has secrets of its own; in both formats."""
    with running_server(
        LLM_PROXY_LOG_LEVEL="debug",
        LLM_PROXY_LOG_FORMAT=request.param,
        LLM_PROXY_API_KEYS=",".join(API_KEYS),
        STREAM_BEARER_TOKEN=BEARER_TOKEN,
        STREAM_COOKIE=COOKIE,
        STREAM_HEADERS=json.dumps({"X-Team": HEADER_VALUE}),
    ) as server:
        yield server


def chat(text: str = "one two", **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}


def with_key(key: str = API_KEYS[0]) -> dict[str, bytes]:
    return {"Authorization": f"Bearer {key}".encode()}


def asked(server: Server, method: str, path: str, **options: Any) -> requests.Response:
    """An exchange with a right key."""
    return server.request(method, path, headers=with_key(), **options)


def line_of(server: Server, response: requests.Response) -> str:
    """The line that bears the response's request id."""
    request_id = response.headers["x-request-id"]
    return server.wait_for_log(lambda line: request_id in line)


def told(line: str) -> dict[str, Any]:
    """What a line of either format says of its request, all values as text."""
    if line.startswith("{"):
        entry = json.loads(line)
        path = quote(entry["path"])
        assert entry.pop("message") == f"{entry['method']} {path} {entry['status']}"
        entry["level"] = entry["level"].upper()
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in entry.items()
        }
    match = _LINE.fullmatch(line)
    assert match is not None, line
    fields = match.groupdict()
    for name, value in _FIELD.findall(fields.pop("more")):
        fields[name] = json.loads(value) if value.startswith('"') else value
    return fields


def expected(response: requests.Response, **fields: str) -> dict[str, str]:
    """The fields of a line that follow from the answer, beside those given."""
    request = response.request
    assert request.method is not None
    return {
        "level": "WARNING" if response.status_code >= 500 else "INFO",
        "method": request.method,
        "path": request.path_url,
        "status": str(response.status_code),
        "bytes": str(len(response.content)),
        "id": response.headers["x-request-id"],
        **fields,
    }


def without_times(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields but for time and duration, after a look at these two."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", fields["time"])
    assert float(fields["ms"]) >= 0
    return {name: value for name, value in fields.items() if name not in ("time", "ms")}


COUNTED = {"model": "gpt-4o", "prompt_tokens": "2", "completion_tokens": "2", "end": "done"}
UPSTREAM_FAILED = {
    "model": "gpt-4o",
    "upstream_model": "legacy-search",
    "upstream_words": "0",
    "upstream_citations": "0",
    "upstream_end": "upstream_failed",
    "upstream_cause": "ConnectionRefusedError: ECONNREFUSED",
    "end": "upstream failed",
}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "fields"),
    [
        ("GET", "/health", None, 200, {"end": "done"}),
        ("GET", "/v1/models", None, 200, {"end": "done"}),
        ("POST", CHAT, chat(), 200, {"stream": "false", **COUNTED}),
        ("POST", CHAT, chat(stream=True), 200, {"stream": "true", **COUNTED}),
        ("POST", "/mock" + CHAT, chat("ein Höhe"), 200, {"stream": "false", **COUNTED}),
        ("POST", CHAT, {"model": "gpt-4o"}, 400, {"end": "refused"}),
        ("GET", "/v2/nothing", None, 404, {"end": "refused"}),
        ("GET", "/v1/nothing", None, 404, {"end": "refused"}),
        ("PUT", CHAT, None, 405, {"end": "refused"}),
        ("POST", CHAT, chat("x" * MAX_BODY_BYTES), 413, {"end": "refused"}),
        ("POST", ADAPTER_CHAT, chat(), 502, {**UPSTREAM_FAILED, "stream": "false"}),
        ("POST", ADAPTER_CHAT, chat(stream=True), 502, {**UPSTREAM_FAILED, "stream": "true"}),
        (
            *("POST", ADAPTER_CHAT, chat(" "), 400),
            {"model": "gpt-4o", "stream": "false", "end": "refused"},
        ),
    ],
)
def test_a_line_tells_what_the_client_received(
    server: Server, method: str, path: str, body: object, status: int, fields: dict[str, str]
) -> None:
    response = server.request(method, path, json=body)
    assert response.status_code == status
    assert without_times(told(line_of(server, response))) == expected(response, **fields)


def test_the_body_of_a_stream_is_counted_to_its_last_byte(server: Server) -> None:
    response = server.request("POST", CHAT, json=chat("Höhe " * 100, stream=True))
    assert response.content.endswith(b"data: [DONE]\n\n")
    assert told(line_of(server, response))["bytes"] == str(len(response.content))


def test_a_head_request_is_counted_as_no_bytes(server: Server) -> None:
    response = server.request("HEAD", "/health")
    assert (response.status_code, response.content) == (200, b"")
    assert told(line_of(server, response))["bytes"] == "0"


def test_a_body_of_unknown_length_that_is_too_large_is_refused_in_the_log_too(
    server: Server,
) -> None:
    pieces = (b"x" * 1024 for _ in range(2 * MAX_BODY_BYTES // 1024))
    response = server.request("POST", CHAT, data=pieces)
    assert response.status_code == 413
    assert without_times(told(line_of(server, response))) == expected(response, end="refused")


@pytest.mark.parametrize("body", ["zz\r\n{}", "2\r\n{}\r\n0\r\nno field\r\n\r\n"])
@pytest.mark.parametrize(
    ("path", "key", "status"),
    [(CHAT, "", 401), (CHAT, API_KEYS[0], 400), ("/v2/nothing", API_KEYS[0], 404)],
)
def test_a_body_whose_chunks_are_malformed_is_answered_as_any_other(
    debugged: Server, path: str, key: str, status: int, body: str
) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {key}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    address = urlsplit(debugged.url)
    with socket.create_connection((address.hostname, address.port), 30) as connection:
        connection.sendall(f"{head}{body}".encode())
        answer = connection.makefile("rb").read().decode()
    assert answer.split()[1] == str(status)
    (request_id,) = re.findall("x-request-id: (.*)\r", answer)
    line = debugged.wait_for_log(lambda line: request_id in line)
    assert (told(line)["status"], told(line)["end"]) == (str(status), "refused")


def test_a_request_makes_one_line(server: Server) -> None:
    answers = [server.request("POST", CHAT, json=chat(stream=stream)) for stream in (True, False)]
    for answer in answers:
        line_of(server, answer)
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert [sum(id_ in line for line in server.log_lines()) for id_ in ids] == [1, 1]


@pytest.mark.parametrize("break_", ["%0a", "%0d", "%0d%0a", "%c2%85", "%e2%80%a8", "%1b[2J"])
def test_a_line_break_in_a_path_does_not_make_a_second_line(server: Server, break_: str) -> None:
    response = server.request("GET", f"/v1/nothing/a{break_}2026 INFO GET /forged 200")
    line = line_of(server, response)
    assert response.status_code == 404
    assert line.splitlines() == [line]
    assert line.isprintable()
    assert not any(line.startswith("2026 INFO") for line in server.log_lines())


def test_a_path_is_told_as_it_was_sent(server: Server) -> None:
    response = server.request("GET", "/v1/models/%c3%a9%20x")
    assert "/v1/models/%C3%A9%20x 200" in line_of(server, response)


def test_a_line_break_in_a_path_stays_within_a_json_line_too(debugged: Server) -> None:
    response = asked(debugged, "GET", "/v1/nothing/a%0a{}")
    line = line_of(debugged, response)
    assert "{}" not in debugged.log_lines()
    assert told(line)["path"].startswith("/v1/nothing/a")


@pytest.mark.parametrize(
    "model",
    [
        "a\nb",
        'a" end="client gone',
        "a b=c",
        "a\u2028b\x9bJ",
    ],
)
def test_a_model_cannot_forge_fields_or_lines(server: Server, model: str) -> None:
    response = server.request("POST", CHAT, json=chat() | {"model": model})
    line = line_of(server, response)
    assert line.isprintable()
    assert without_times(told(line)) == expected(
        response, stream="false", **COUNTED | {"model": model}
    )


def test_bodies_are_not_logged_unless_asked_for(server: Server) -> None:
    response = server.request("POST", CHAT, json=chat("the secret plan"))
    refused = server.request("POST", CHAT, json=chat("the secret plan", n="the secret plan"))
    assert (response.status_code, refused.status_code) == (200, 400)
    line_of(server, refused)
    assert "plan" not in line_of(server, response)
    assert not any("plan" in line for line in server.log_lines())


def test_a_question_is_not_logged_when_the_upstream_fails(server: Server) -> None:
    response = server.request("POST", ADAPTER_CHAT, json=chat("a confidential question"))
    assert response.status_code == 502
    line_of(server, response)
    assert not any("confidential" in line for line in server.log_lines())


def test_debug_logs_the_request_and_what_was_said(debugged: Server) -> None:
    body = json.dumps(chat("what is the weather?", stream=True))
    response = asked(debugged, "POST", CHAT, data=body)
    fields = told(line_of(debugged, response))
    assert fields.pop("request") == body
    assert fields.pop("response") == "what is the weather?"
    assert without_times(fields) == expected(
        response,
        **{**COUNTED, "stream": "true", "prompt_tokens": "5", "completion_tokens": "5"},
    )


@pytest.mark.parametrize("before", [len(API_KEYS[1]) // 2, len(API_KEYS[1])])
def test_no_part_of_a_secret_is_logged_where_a_long_body_is_cut(
    debugged: Server, before: int
) -> None:
    body = "x" * (MAX_BODY_CHARACTERS - before) + API_KEYS[1] + " and more" * 1000
    response = asked(debugged, "POST", CHAT, data=body)
    request = told(line_of(debugged, response))["request"]
    assert len(request) <= MAX_BODY_CHARACTERS + 1
    assert re.fullmatch(r"x+(\*\*\*.*)?…", request)


def test_nor_where_another_secret_before_it_has_made_the_body_shorter(debugged: Server) -> None:
    other = "token: " + "y" * 2000 + " "
    key = API_KEYS[1]
    body = other + "x" * (LOOKED_AT - len(other) - len(key) // 2 - 1) + " " + key * 2
    request = told(line_of(debugged, asked(debugged, "POST", CHAT, data=body)))["request"]
    assert re.fullmatch(r"token: \*\*\* x+…", request)


def test_an_absurdly_long_model_is_cut(debugged: Server) -> None:
    model = "m" * (MAX_NAME_CHARACTERS - 3) + API_KEYS[1] + "m" * 2000
    fields = told(line_of(debugged, asked(debugged, "POST", CHAT, json=chat() | {"model": model})))
    assert re.fullmatch(r"m{900,}(\*\*\*)?…", fields["model"])


def test_debug_logs_the_body_of_a_refusal(debugged: Server) -> None:
    response = asked(debugged, "POST", CHAT, data="no JSON")
    fields = told(line_of(debugged, response))
    assert (fields["status"], fields["request"]) == ("400", "no JSON")
    assert fields["response"] == response.text


SECRETS = {
    "a key of ours": (API_KEYS[1], f"my key is {API_KEYS[1]}, I think"),
    "our token": (BEARER_TOKEN, f"and the upstream takes {BEARER_TOKEN}"),
    "our cookie": ("with-quotes", f"the cookies are {COOKIE}"),
    "our header": ("sselwort", f"the team is {HEADER_VALUE}"),
    "an OpenAI key": ("abcdefGHIJ0123", "use sk-proj-abcdefGHIJ0123 for now"),
    "a key in JSON": ("k1ng-of-keys", '{"api_key":"k1ng-of-keys"}'),
    "a spaced key in JSON": ("k1ng-of-keys", '{"api_key": "k1ng-of-keys"}'),
    "a header": ("dXNlcjpwYXNz", "Authorization: Basic dXNlcjpwYXNz"),
    "a variable": ("k1ng-of-keys", "OPENAI_API_KEY=k1ng-of-keys"),
    "a token in JSON": ("k1ng-of-keys", '{"access_token":"k1ng-of-keys"}'),
    "a password with a comma": ("ng-of-keys", '{"password":"ki,ng-of-keys"}'),
}
"""A part of each secret that must not be in the log, and a message that holds it."""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("secret", "text"), SECRETS.values(), ids=SECRETS)
def test_a_secret_in_a_body_is_never_logged(
    debugged: Server, secret: str, text: str, stream: bool
) -> None:
    response = asked(debugged, "POST", CHAT, json=chat(text, stream=stream))
    assert response.status_code == 200
    line = line_of(debugged, response)
    assert secret not in line
    assert "***" in told(line)["request"]
    assert "***" in told(line)["response"]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (CHAT, {"stream": True, "n": 2}),
        (CHAT, {"logprobs": True}),
        ("/v1/completions", {"prompt": "my password: k1ng", "logprobs": 2}),
    ],
)
def test_a_secret_is_found_in_an_answer_whose_words_do_not_stand_together(
    debugged: Server, path: str, more: dict[str, Any]
) -> None:
    response = asked(debugged, "POST", path, json=chat("my password: k1ng", **more))
    assert "k1ng" in response.text
    fields = told(line_of(debugged, response))
    assert "my password: ***" in fields["response"]
    for part in ("k1ng", '"bytes"', "top_logprobs"):
        assert part not in fields["response"]


def test_debug_logs_one_choice_behind_the_other(debugged: Server) -> None:
    response = asked(debugged, "POST", CHAT, json=chat("one two", stream=True, n=2))
    assert told(line_of(debugged, response))["response"] == "one two\none two"


def test_a_key_in_a_field_of_the_body_is_never_logged(debugged: Server) -> None:
    body = chat(metadata={"api_key": "k1ng-of-keys"}, api_key="k2ng-of-keys")
    response = asked(debugged, "POST", CHAT, json=body)
    line = line_of(debugged, response)
    assert told(line)["request"].count("***") == 2
    assert "ng-of-keys" not in line


def test_a_name_that_json_masks_hides_no_secret_in_the_log(debugged: Server) -> None:
    body = json.dumps(chat(password="k1ng", user="über"))
    masked = body.replace("password", "pass\\u0077ord")
    assert "k1ng" not in line_of(debugged, asked(debugged, "POST", CHAT, data=masked))
    clean = body.replace("password", "pa\\u0073s")
    fields = told(line_of(debugged, asked(debugged, "POST", CHAT, data=clean)))
    assert fields["request"] == clean


def test_the_secrets_of_the_settings_are_never_logged(debugged: Server) -> None:
    """Neither at the start, nor when a request is refused, nor when the upstream fails."""
    for headers in ({}, with_key("wrong"), with_key()):
        for path in ("/health", CHAT, ADAPTER_CHAT, f"/v1/models/{BEARER_TOKEN}"):
            line_of(debugged, debugged.request("POST", path, json=chat(), headers=headers))
    log = "\n".join(debugged.log_lines())
    secrets = (*API_KEYS, BEARER_TOKEN, COOKIE, HEADER_VALUE)
    assert [secret for secret in secrets if secret in log] == []


def test_a_header_line_without_a_colon_is_told_of_without_its_secret(debugged: Server) -> None:
    address = urlsplit(debugged.url)
    with socket.create_connection((address.hostname, address.port), 30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nAuthorization Bearer k1ng-of-keys\r\n\r\n")
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 400")
    line = debugged.wait_for_log(lambda line: "Invalid request" in line)
    assert "Authorization Bearer ***" in line


def test_without_a_key_only_health_is_open(debugged: Server) -> None:
    for headers in (
        {},
        with_key("wrong"),
        with_key(API_KEYS[0] + "x"),
        with_key(API_KEYS[0][:-1]),
        with_key("schlüssel"),
        {"Authorization": b"Bearer \xff\xfe"},
        {"Authorization": API_KEYS[0].encode()},
        {"Authorization": b"Basic " + API_KEYS[0].encode()},
        {"Authorization": b"Bearer"},
    ):
        for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("GET", "/nothing")):
            refused = debugged.request(method, path, headers=headers, json=chat())
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                *(401, "invalid_api_key"),
            )
            assert told(line_of(debugged, refused))["end"] == "refused"
        assert debugged.request("GET", "/health", headers=headers).status_code == 200


def test_each_key_opens_everything(debugged: Server) -> None:
    for key in API_KEYS:
        response = debugged.request("POST", CHAT, headers=with_key(key), json=chat())
        assert response.status_code == 200


def test_every_line_of_the_json_format_is_an_object() -> None:
    with running_server(LLM_PROXY_LOG_FORMAT="json") as server:
        answers = [
            server.request("POST", CHAT, json=chat(stream=True)),
            server.request("POST", CHAT, data="{"),
            server.request("POST", ADAPTER_CHAT, json=chat()),
        ]
        lines = [line_of(server, answer) for answer in answers]
        ours = [line for line in server.log_lines() if not line.startswith("[")]  # not gunicorn's
    assert [json.loads(line)["level"] for line in lines] == ["info", "info", "warning"]
    assert [json.loads(line)["stream"] for line in lines if "stream" in line] == [True, False]
    assert [without_times(told(line)) for line in lines] == [
        expected(answers[0], stream="true", **COUNTED),
        expected(answers[1], end="refused"),
        expected(answers[2], stream="false", **UPSTREAM_FAILED),
    ]
    assert all(isinstance(json.loads(line), dict) for line in ours)


def test_of_what_openai_would_have_refused_no_more_is_logged_than_of_a_body(
    debugged: Server,
) -> None:
    body = chat() | {f"k{number}": 0 for number in range(3_000)}
    body["model"] = "g"  # of which each unknown field is told alone
    response = asked(debugged, "POST", CHAT, json=body)
    assert len(told(line_of(debugged, response))["warnings"]) == MAX_BODY_CHARACTERS + 1


def test_debug_logs_what_openai_would_have_refused(debugged: Server) -> None:
    response = asked(debugged, "POST", CHAT, json=chat(temperature=3))
    assert told(line_of(debugged, response))["warnings"] == (
        "Invalid 'temperature': decimal above maximum value. "
        "Expected a value <= 2, but got 3 instead."
    )


def adapter_line(*script: Step, leave: bool = False, **document: Any) -> dict[str, Any]:
    """What the log tells of one question to the adapter, of the upstream and of the end."""
    with (
        raw_upstream(*script) as upstream,
        running_gunicorn(STREAM_URL=upstream.url, STREAM_IDLE_TIMEOUT="0.5") as server,
    ):
        if leave:
            with (
                requests.Session() as session,
                session.post(server.url + ADAPTER_CHAT, json=chat(stream=True), stream=True) as got,
            ):
                next(got.iter_content(None))
        else:
            server.request("POST", ADAPTER_CHAT, json=chat(**document))
        fields = told(server.wait_for_log(lambda line: " end=" in line))
    return {name: fields[name] for name in fields if name.startswith("upstream_") or name == "end"}


WORDS = CHUNKED_HEAD + chunk(word("one") + word("two"))


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize("end", [b"", chunk(event("[DONE]"))], ids=["", "end mark"])
def test_a_line_tells_how_the_upstream_answered(stream: bool, end: bytes) -> None:
    line = adapter_line(WORDS + chunk(citation("1")) + end + LAST_CHUNK, stream=stream)
    assert float(line.pop("upstream_first_ms")) > 0
    assert line == {
        "upstream_model": "legacy-search",
        "upstream_words": "2",
        "upstream_citations": "1",
        "upstream_status": "200",
        "upstream_end": "done",
        "end": "done",
    }


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([WORDS, Act.AWAIT_CLOSE], {"upstream_words": "2", "upstream_end": "upstream_timeout"}),
        (
            [WORDS, Act.RESET],
            {
                "upstream_words": "2",
                "upstream_end": "upstream_failed",
                "upstream_cause": "ConnectionResetError: Connection reset by peer",
            },
        ),
        (
            [head("Connection: close", status="401 No")],
            {"upstream_words": "0", "upstream_status": "401", "upstream_end": "upstream_status"},
        ),
    ],
    ids=["silent", "reset", "refused"],
)
def test_a_line_tells_how_the_upstream_failed(
    script: list[Step], expected: dict[str, str], stream: bool
) -> None:
    line = adapter_line(*script, stream=stream)
    line.pop("upstream_first_ms", None)
    assert line == {
        "upstream_model": "legacy-search",
        "upstream_status": "200",
        "upstream_citations": "0",
        "end": "upstream failed",
        **expected,
    }


def test_a_line_tells_what_had_come_before_the_client_left() -> None:
    line = adapter_line(WORDS, Act.AWAIT_CLOSE, leave=True)
    assert (line["upstream_words"], line["upstream_end"], line["end"]) == (
        "2",
        "left",
        "client gone",
    )
