"""The login: made when it is needed, once for all, and renewed once when it is refused."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from llm_proxy.adapter.source import LegacySource
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.core.reply import TextDelta
from llm_proxy.errors import UpstreamError, UpstreamTimeout
from llm_proxy.settings import AdapterSettings, SettingsError, from_env
from tests.builders import chat_document, chat_request, client
from tests.raw_upstream import PATIENCE_SECONDS, Act, head, raw_upstream, settings_for, word
from tests.servers import running_gunicorn

PASSWORD = "pa55word"
LOGIN = {"user": "ann", "password": PASSWORD}
PAGE = b"<h1>Log in</h1>"

Answer = tuple[int, Mapping[str, str], bytes]


class Guarded:
    """A legacy API behind a login, whose sessions a test can let expire.

    `logins` are the requests to log in, `asked` the credentials of each question. `refusal`
    is how a question without a valid session is answered.
    """

    def __init__(self) -> None:
        self.logins: list[tuple[str, str, str]] = []
        self.asked: list[tuple[str | None, str | None]] = []
        self.refusal: Answer = (401, {}, b"no")
        self.answers: Callable[[str], Answer] = lambda session: (
            200,
            {"Set-Cookie": f"session={session}; Path=/; HttpOnly"},
            b"{}",
        )
        self.valid = ""
        self.lock = threading.Lock()
        self.url = ""

    def expire(self) -> None:
        self.valid = ""

    def logged_in(self, method: str, content_type: str, body: str) -> Answer:
        with self.lock:
            self.logins.append((method, content_type, body))
            self.valid = f"s{len(self.logins)}"
            return self.answers(self.valid)

    def question(self, cookie: str | None, authorization: str | None) -> Answer:
        with self.lock:
            self.asked.append((cookie, authorization))
            shown = f"{cookie} {authorization}"
            if not self.valid or self.valid not in shown:
                return self.refusal
        return 200, {"Content-Type": "text/event-stream"}, word("one")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # else connections that come at once are retried after a second


@contextmanager
def served(api: Guarded) -> Iterator[Guarded]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            if self.path.startswith("/login"):
                kind = self.headers.get("Content-Type") or ""
                status, fields, content = api.logged_in(self.command, kind, body)
            else:
                seen = self.headers.get("Cookie"), self.headers.get("Authorization")
                status, fields, content = api.question(*seen)
            self.send_response(status)
            for name, value in {"Content-Type": "text/plain", **fields}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield api
        server.shutdown()
        thread.join(PATIENCE_SECONDS)


@pytest.fixture
def api() -> Iterator[Guarded]:
    with served(Guarded()) as api:
        yield api


def settings_of(api: Guarded, **fields: Any) -> AdapterSettings:
    login = {"login_url": f"{api.url}/login", "login_body": json.dumps(LOGIN)}
    return settings_for(**{"url": f"{api.url}/stream", **login, **fields})


def source_of(api: Guarded, **fields: Any) -> LegacySource:
    settings = settings_of(api, **fields)
    return LegacySource(settings, Upstream(settings))


def answer(source: LegacySource) -> list[str]:
    return [e.text for e in source.reply(chat_request()) if isinstance(e, TextDelta)]


def test_the_login_is_made_before_the_first_question_and_kept(api: Guarded) -> None:
    source = source_of(api)
    assert [answer(source) for _ in range(3)] == [["one"]] * 3
    assert api.logins == [("POST", "application/json", json.dumps(LOGIN))]
    assert api.asked == [("session=s1", None)] * 3


def test_a_form_is_sent_as_one_and_the_method_is_a_setting(api: Guarded) -> None:
    form = "user=ann&password=x"
    assert answer(source_of(api, login_body=form, login_method="PUT")) == ["one"]
    assert api.logins == [("PUT", "application/x-www-form-urlencoded", form)]


def test_a_login_without_a_body_sends_none(api: Guarded) -> None:
    assert answer(source_of(api, login_body="", login_method="GET")) == ["one"]
    assert api.logins == [("GET", "", "")]


def test_our_own_cookie_goes_along_with_that_of_the_session(api: Guarded) -> None:
    assert answer(source_of(api, cookie="theme=dark; session=expired")) == ["one"]
    assert api.asked == [("theme=dark; session=s1", None)]


def test_a_login_may_answer_with_a_redirect(api: Guarded) -> None:
    """As forms do; it is not followed."""
    api.answers = lambda session: (302, {"Set-Cookie": f"id={session}", "Location": "/home"}, b"")
    assert answer(source_of(api)) == ["one"]
    assert api.asked == [("id=s1", None)]


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("access_token", {"access_token": "%s", "token_type": "bearer"}),
        ("data.0.token", {"data": [{"token": "%s"}]}),
    ],
)
def test_a_token_is_taken_from_the_path_in_the_answer(
    api: Guarded, path: str, document: object
) -> None:
    api.answers = lambda session: (200, {}, json.dumps(document).replace("%s", session).encode())
    assert answer(source_of(api, login_path=path)) == ["one"]
    assert api.asked == [(None, "Bearer s1")]


REFUSALS: Mapping[str, Answer] = {
    "401": (401, {}, b"no"),
    "403": (403, {}, b"no"),
    "redirect": (302, {"Location": "/"}, b""),
    "page": (200, {"Content-Type": "text/html; charset=utf-8"}, PAGE),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_an_expired_login_is_renewed_once(api: Guarded, refusal: str) -> None:
    api.refusal = REFUSALS[refusal]
    source = source_of(api)
    assert answer(source) == ["one"]
    api.expire()
    assert answer(source) == ["one"]
    assert len(api.logins) == 2
    assert api.asked == [("session=s1", None), ("session=s1", None), ("session=s2", None)]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_new_login_that_is_refused_too_is_an_error(api: Guarded, refusal: str) -> None:
    api.refusal = REFUSALS[refusal]
    api.answers = lambda _: (200, {"Set-Cookie": "session=useless"}, b"")
    with pytest.raises(UpstreamError) as caught:
        answer(source_of(api))
    assert (len(api.logins), len(api.asked)) == (2, 2)
    assert caught.value.code in ("upstream_status", "upstream_not_a_stream")


def test_other_errors_renew_nothing(api: Guarded) -> None:
    api.refusal = (500, {}, b"")
    source = source_of(api)
    assert answer(source) == ["one"]
    api.expire()
    with pytest.raises(UpstreamError):
        answer(source)
    assert len(api.logins) == 1


def test_many_at_once_make_one_login_and_renew_it_once(api: Guarded) -> None:
    source = source_of(api)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: answer(source), range(32))) == [["one"]] * 32
        assert len(api.logins) == 1
        api.expire()
        assert list(pool.map(lambda _: answer(source), range(32))) == [["one"]] * 32
    assert len(api.logins) == 2


FAILURES: Mapping[str, tuple[str, Answer]] = {
    "was answered with HTTP status 401": ("cookie", (401, {"Set-Cookie": "a=b"}, b"")),
    "was answered with HTTP status 302": ("token", (302, {"Location": "/"}, b"")),
    "was answered with a server error": ("cookie", (529, {}, b"")),
    "brought no cookie": ("cookie", (200, {}, b"{}")),
    "brought no token where STREAM_LOGIN_TOKEN says": ("token", (200, {}, b'{"token": 7}')),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_login_that_fails_says_why_and_what_to_check(api: Guarded, reason: str) -> None:
    path, given = FAILURES[reason]
    api.answers = lambda _: given
    with pytest.raises(UpstreamError) as caught:
        answer(source_of(api, login_path=path))
    error = caught.value
    assert (error.status, error.code, dict(error.headers)) == (
        502,
        "upstream_login",
        {"x-should-retry": "false"},
    )
    assert error.message == (
        f"The login to the legacy search API {reason}. Check STREAM_LOGIN_URL, "
        "STREAM_LOGIN_METHOD, STREAM_LOGIN_BODY and STREAM_LOGIN_TOKEN."
    )
    assert api.asked == []


@pytest.mark.parametrize("sent", [b"", b"SSH-2.0\r\n", head("Content-Length: 9") + b"{"])
def test_a_login_that_breaks_off_is_told_from_the_stream(api: Guarded, sent: bytes) -> None:
    with raw_upstream(sent) as login, pytest.raises(UpstreamError) as caught:
        answer(source_of(api, login_url=login.url, login_path="token"))
    assert (caught.value.code, caught.value.status) == ("upstream_login", 502)
    assert "login to the legacy search API could not be reached, or broke" in caught.value.message


@pytest.mark.parametrize(
    "document", [b"", b"[", b"[" * 100_000, b'{"token": "a b"}', b'{"token": "a\\nb"}', b"7"]
)
def test_whatever_the_login_answers_is_survived(api: Guarded, document: bytes) -> None:
    api.answers = lambda _: (200, {}, document)
    with pytest.raises(UpstreamError):
        answer(source_of(api, login_path="token"))


def test_a_question_that_was_refused_is_let_go_though_no_other_login_can_be_made(
    api: Guarded,
) -> None:
    """Even while the error is kept, as the login keeps its last one."""
    first = api.answers
    api.answers = lambda session: first(session) if session == "s1" else (500, {}, b"")
    with raw_upstream(head("Content-Length: 9", status="401 No"), Act.AWAIT_CLOSE) as upstream:
        settings = settings_of(api, url=upstream.url)
        with pytest.raises(UpstreamError, match="login") as caught:
            list(Upstream(settings).payloads("why?"))
        assert upstream.left.wait(1.0)
        assert caught.value.code == "upstream_login"


def test_those_who_waited_for_a_login_that_failed_do_not_try_in_their_turn(api: Guarded) -> None:
    api.answers = lambda _: (500, {}, b"")
    api.lock.acquire()  # the upstream holds its answer back
    source = source_of(api)

    def failed(_: int) -> str | None:
        with pytest.raises(UpstreamError) as caught:
            answer(source)
        return caught.value.code

    with ThreadPoolExecutor(8) as pool:
        outcomes = pool.map(failed, range(8))
        time.sleep(0.5)  # for most of them to be waiting by then
        api.lock.release()
        assert list(outcomes) == ["upstream_login"] * 8
    assert len(api.logins) < 8


def test_the_headers_of_the_stream_go_to_a_login_at_the_same_place_only(api: Guarded) -> None:
    with served(Guarded()) as elsewhere:
        settings = settings_of(
            api, login_url=f"{elsewhere.url}/login", headers=(("Authorization", "Bearer k3y"),)
        )
        api.valid = "s1"
        assert answer(LegacySource(settings, Upstream(settings))) == ["one"]
    assert (len(elsewhere.logins), elsewhere.asked) == (1, [])
    assert api.asked == [("session=s1", "Bearer k3y")]


@pytest.mark.parametrize("given", ["Bearer client", None])
def test_the_clients_own_credentials_are_sent_only_where_a_setting_says_so(
    api: Guarded, given: str | None
) -> None:
    headers = {"Authorization": given, "Cookie": "theirs=1", "X-Api-Key": "theirs"}
    sent = {name: value for name, value in headers.items() if value}
    for forward in ("0", "1"):
        proxy = client(
            LLM_PROXY_V1="adapter",
            STREAM_URL=f"{api.url}/stream",
            STREAM_BEARER_TOKEN="ours",
            STREAM_COOKIE="our=1",
            STREAM_FORWARD_AUTHORIZATION=forward,
        )
        proxy.post("/v1/chat/completions", json=chat_document(), headers=sent)
    assert api.asked == [("our=1", "Bearer ours"), (None, given)]


@pytest.mark.parametrize("other", ["LLM_PROXY_API_KEYS", "STREAM_LOGIN_URL"])
def test_forwarding_excludes_keys_and_a_login_of_our_own(other: str) -> None:
    with pytest.raises(SettingsError, match="STREAM_FORWARD_AUTHORIZATION: "):
        from_env({"STREAM_FORWARD_AUTHORIZATION": "1", other: "http://x/"})


@pytest.mark.parametrize("body", [json.dumps(LOGIN), f"user=ann&password={PASSWORD}"])
def test_what_the_login_sends_is_a_secret(body: str) -> None:
    secrets = from_env({"STREAM_LOGIN_BODY": body}).secrets
    assert {body, PASSWORD} <= set(secrets)


@pytest.mark.parametrize("body", ["x", "[1]", '"x"', "{"])
def test_a_body_that_is_neither_json_nor_a_form_is_refused_and_not_repeated(body: str) -> None:
    with pytest.raises(SettingsError) as refused:
        from_env({"STREAM_LOGIN_BODY": body})
    assert refused.value.problems == [
        "STREAM_LOGIN_BODY: the value is neither a JSON object nor a form like user=ann&password=x"
    ]


def test_under_gunicorn_a_session_outlives_its_expiry_and_leaves_no_trace_in_the_log(
    api: Guarded,
) -> None:
    with running_gunicorn(
        STREAM_URL=f"{api.url}/stream",
        STREAM_LOGIN_URL=f"{api.url}/login",
        STREAM_LOGIN_BODY=json.dumps(LOGIN),
        LLM_PROXY_LOG_LEVEL="debug",
    ) as server:
        for _ in range(2):
            answered = server.request(
                "POST", "/adapter/v1/chat/completions", json=chat_document("hi")
            )
            assert answered.json()["choices"][0]["message"]["content"] == "one"
            api.expire()
        server.wait_for_logs(2, lambda line: "end=done" in line)
        log = "\n".join(server.log_lines())
    assert len(api.logins) == 2
    assert not [secret for secret in (PASSWORD, "session=s1", "session=s2") if secret in log]


def test_a_login_that_does_not_answer_ends_with_the_limit_on_silence(api: Guarded) -> None:
    with raw_upstream(Act.AWAIT_CLOSE) as mute:
        with pytest.raises(UpstreamTimeout, match="STREAM_IDLE_TIMEOUT"):
            answer(source_of(api, login_url=mute.url, idle_timeout_seconds=0.3))
        assert mute.left.wait(1.0)
    assert api.asked == []


def test_a_client_that_leaves_amid_a_login_leaves_it_to_the_next(api: Guarded) -> None:
    with raw_upstream(Act.AWAIT_CLOSE) as login:
        settings = settings_of(api, login_url=login.url)
        upstream = Upstream(settings)
        first, second = upstream.payloads("why?"), upstream.payloads("why?")
        assert [next(first), next(second)] == [None, None]
        api.valid = "s1"
        login.plays(head("Set-Cookie: session=s1", "Connection: close", status="204 No Content"))
        first.close()
        assert [payload for payload in second if payload is not None]
    assert (len(login.heads), api.asked) == (2, [("session=s1", None)])
