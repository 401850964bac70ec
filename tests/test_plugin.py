"""The pytest plugin as others use it: each test here runs a pytest of its own."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import PATIENCE_SECONDS, ROOT

PLUGIN = "-pllm_proxy.testing.plugin"

ASK = """
import json, os, urllib.request

def ask(text, **fields):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}
    request = urllib.request.Request(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        json.dumps(body).encode(),
        {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("NO_PROXY", "*")
    return pytester


def _listens(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _wait_for_the_end_of(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([process], [], [], PATIENCE_SECONDS)
    finally:
        os.close(process)
    assert ended


def _wait_until_nobody_listens(url: str) -> None:
    """The last of those who share a server that one of them has left behind waits for no end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _listens(url):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def outcome(run: pytest.Pytester, *arguments: str, **counts: int) -> pytest.RunResult:
    result = run.runpytest_subprocess(PLUGIN, "-v", *arguments, timeout=PATIENCE_SECONDS)
    result.assert_outcomes(**counts)
    return result


def test_the_example_of_the_readme_passes(run: pytest.Pytester) -> None:
    readme = (ROOT / "README.md").read_text()
    example = re.search(r"```python\n([^`]*def test_[^`]*)```", readme)
    assert example is not None
    assert len(example[1].strip().splitlines()) <= 10
    run.makepyfile(example[1])
    outcome(run, passed=1)


def test_replies_come_one_after_the_other_and_the_last_one_stays(run: pytest.Pytester) -> None:
    run.makepyfile(
        ASK
        + """
def test_it(llm_proxy):
    llm_proxy.reply("else")
    llm_proxy.reply("one", "two", to="count")
    assert [ask("count"), ask("other"), ask("count"), ask("count")] == ["one", "else", "two", "two"]
"""
    )
    outcome(run, passed=1)


def test_what_the_server_was_asked_can_be_read(run: pytest.Pytester) -> None:
    run.makepyfile(
        ASK
        + """
def test_it(llm_proxy):
    llm_proxy.reply("yes", to="first")
    ask("first", temperature=0.5)
    ask("second")
    first, second = llm_proxy.requests
    assert first.path == "/v1/chat/completions"
    assert first.body["temperature"] == 0.5
    assert (first.status, first.last_message) == (200, "first")
    assert "fixture" in first.answered_by
    assert second.body["messages"] == [{"role": "user", "content": "second"}]
"""
    )
    outcome(run, passed=1)


def test_requests_of_any_shape_can_be_looked_at(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
def test_it(llm_proxy_app):
    caller = llm_proxy_app.app.test_client()
    headers = {"Authorization": f"Bearer {llm_proxy_app.api_key}"}
    caller.get("/v1/models", headers=headers)
    for body in (b"{bad", b"[1]", b'"x"', b'{"messages": [{"content": ["x", {"text": 5}]}]}'):
        caller.post("/v1/chat/completions", data=body, headers=headers)
    assert [(one.body, one.last_message) for one in llm_proxy_app.requests] == [
        (None, ""), ("{bad", ""), ([1], ""), ("x", ""),
        ({"messages": [{"content": ["x", {"text": 5}]}]}, ""),
    ]
    assert repr(llm_proxy_app.requests[0]) == "<Request /v1/models 200: ''>"
"""
    )
    outcome(run, passed=1)


def test_bodies_are_read_as_they_were_sent(run: pytest.Pytester) -> None:
    run.makepyfile(
        ASK
        + """
def test_served(llm_proxy):
    ask("What does token=abc mean?")
    assert llm_proxy.requests[0].last_message == "What does token=abc mean?"

def test_mounted(llm_proxy_app):
    llm_proxy_app.app.test_client().post(
        "/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "password: x"}]},
        headers={"Authorization": f"Bearer {llm_proxy_app.api_key}"},
    )
    assert llm_proxy_app.requests[0].last_message == "password: x"
"""
    )
    outcome(run, passed=2)


def test_a_test_that_asks_a_lot_keeps_its_first_request(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
def test_it(llm_proxy_app):
    caller = llm_proxy_app.app.test_client()
    headers = {"Authorization": f"Bearer {llm_proxy_app.api_key}"}
    for _ in range(1001):
        caller.get("/v1/models", headers=headers)
    assert len(llm_proxy_app.requests) == 1001
"""
    )
    outcome(run, passed=1)


def test_a_failure_can_last_and_others_may_queue_their_own(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
def test_it(llm_proxy_app):
    llm_proxy_app.fail(503, times=None)
    caller = llm_proxy_app.app.test_client()
    fault = {"status": 500, "namespace": llm_proxy_app.namespace}
    caller.post("/control/faults", json=fault)
    headers = {"Authorization": f"Bearer {llm_proxy_app.api_key}"}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
    for _ in range(3):
        answer = caller.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 503
"""
    )
    outcome(run, passed=1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("LLM_PROXY_API_KEYS=secret", "*LLM_PROXY_API_KEYS cannot be set: *key of its own*"),
        ("LLM_PROXY_API_KEYS_FILE=keys", "*LLM_PROXY_API_KEYS_FILE cannot be set: *"),
    ],
)
def test_settings_that_would_refuse_every_test_are_refused(
    run: pytest.Pytester, line: str, reason: str
) -> None:
    run.makeini(f"[pytest]\nllm_proxy_settings =\n    {line}")
    run.makepyfile("def test_a(llm_proxy): pass\ndef test_b(llm_proxy_app): pass")
    outcome(run, errors=2).stdout.fnmatch_lines([reason])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("MOCK_REPLY: echo", "*'MOCK_REPLY: echo' is not of the form NAME=value"),
        ("MOCK_REPLY echo", "*'MOCK_REPLY echo' is not of the form NAME=value"),
        ("nonsense", "*'nonsense' is not of the form NAME=value"),
        ("=echo", "*'=echo' is not of the form NAME=value"),
        ("mock_reply=echo", "*'mock_reply=echo': there is no such setting; is it MOCK_REPLY?"),
        ("MOCK_REPLYY=echo", "*'MOCK_REPLYY=echo': there is no such setting; is it MOCK_REPLY?"),
        ("FOO=1", "*'FOO=1': there is no such setting"),
    ],
)
def test_a_line_that_is_no_setting_is_refused(run: pytest.Pytester, line: str, reason: str) -> None:
    run.makeini(f"[pytest]\nllm_proxy_settings =\n    MOCK_SEED=1\n    {line}")
    run.makepyfile("def test_a(llm_proxy): pass\ndef test_b(llm_proxy_app): pass")
    outcome(run, errors=2).stdout.fnmatch_lines([f"*UsageError: llm_proxy_settings: {reason}"])


@pytest.mark.parametrize("arguments", ["unused_okay=True", "True"])
def test_what_the_marker_does_not_take_is_refused(run: pytest.Pytester, arguments: str) -> None:
    run.makepyfile(
        f"""
import pytest

@pytest.mark.llm_proxy({arguments})
def test_it(llm_proxy_app): pass
"""
    )
    outcome(run, errors=1).stdout.fnmatch_lines(
        [f"*UsageError: pytest.mark.llm_proxy takes unused_ok=True or False, not {arguments}"]
    )


def test_a_reply_without_a_text_is_told_what_it_lacks(run: pytest.Pytester) -> None:
    run.makepyfile("def test_it(llm_proxy_app): llm_proxy_app.reply(to='hello')")
    outcome(run, failed=1).stdout.fnmatch_lines(
        ['*TypeError: reply() needs what to answer, such as reply("Hi.", to="hello")']
    )


def test_failures_strike_as_often_as_they_are_told(run: pytest.Pytester) -> None:
    run.makepyfile(
        ASK
        + """
import pytest, urllib.error

def test_it(llm_proxy):
    llm_proxy.fail(429, times=2, retryAfter=1)
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError) as raised:
            ask("hello")
        assert raised.value.code == 429
        assert raised.value.headers["retry-after"] == "1"
        raised.value.close()
    ask("hello")
"""
    )
    outcome(run, passed=1)


def test_a_script_that_was_never_used_fails_its_test(run: pytest.Pytester) -> None:
    run.makepyfile(
        ASK
        + """
import pytest

def test_unused_reply(llm_proxy):
    llm_proxy.reply("never said", to="never asked")
    ask("something else")

def test_unused_failure(llm_proxy):
    llm_proxy.fail(503)

@pytest.mark.llm_proxy(unused_ok=True)
def test_allowed(llm_proxy):
    llm_proxy.reply("never said", to="never asked")
"""
    )
    result = outcome(run, passed=1, failed=2)
    result.stdout.fnmatch_lines(["*scripted, but never used:*", "*never said*"])


def test_a_test_that_fails_by_itself_is_not_blamed_for_unused_scripts(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
def test_it(llm_proxy):
    llm_proxy.reply("never said")
    assert 1 + 1 == 3
"""
    )
    result = outcome(run, failed=1)
    result.stdout.no_fnmatch_line("*scripted, but never used*")


def test_a_test_that_fails_tells_what_was_asked_and_what_was_not_used(
    run: pytest.Pytester,
) -> None:
    run.makepyfile(
        ASK
        + """
def test_it(llm_proxy):
    llm_proxy.reply("Hi.", to="wether")
    assert ask("What weather is it?") == "Hi."
"""
    )
    result = outcome(run, failed=1)
    result.stdout.fnmatch_lines(
        [
            "asked: /v1/chat/completions 200 'What weather is it?', by the mock",
            'never used: {"match": {"userMessage": "wether"}*',
        ]
    )


def test_an_agent_is_led_through_two_tools_to_its_answer(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
from openai import OpenAI

def agent(task):
    messages = [{"role": "user", "content": task}]
    called = []
    while True:
        completion = OpenAI().chat.completions.create(model="gpt-4o", messages=messages)
        message = completion.choices[0].message
        if not message.tool_calls:
            return called, message.content
        messages.append(message)
        for call in message.tool_calls:
            called.append(call.function.name)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "done"})

def test_it(llm_proxy):
    llm_proxy.reply("Booked for a sunny day.", to="trip")
    llm_proxy.tool_call("book", {"day": 3}, to="trip")
    llm_proxy.tool_call("get_weather", {"city": "Rome"}, to="trip")
    assert agent("Plan a trip.") == (["get_weather", "book"], "Booked for a sunny day.")
"""
    )
    outcome(run, passed=1)


def test_unused_scripts_can_be_allowed_for_all_tests(run: pytest.Pytester) -> None:
    run.makeini("[pytest]\nllm_proxy_unused_ok = true")
    run.makepyfile("def test_it(llm_proxy): llm_proxy.reply('never said')")
    outcome(run, passed=1)


def test_a_script_that_cannot_be_is_refused_with_the_reason(run: pytest.Pytester) -> None:
    run.makepyfile("def test_it(llm_proxy): llm_proxy.script({'contents': 'typo'})")
    result = outcome(run, failed=1)
    result.stdout.fnmatch_lines(["*ControlError*content*"])


def test_the_server_takes_the_settings_of_the_ini_file(run: pytest.Pytester) -> None:
    run.makeini("[pytest]\nllm_proxy_settings =\n    MOCK_REPLY=echo")
    run.makepyfile(ASK + "\ndef test_it(llm_proxy): assert ask('say this') == 'say this'")
    outcome(run, passed=1)


def test_the_environment_points_to_the_mock_only_while_the_test_runs(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
import os

def test_with(llm_proxy):
    assert os.environ["OPENAI_BASE_URL"] == llm_proxy.base_url
    assert os.environ["OPENAI_API_KEY"] == llm_proxy.api_key

def test_without():
    assert "OPENAI_BASE_URL" not in os.environ
"""
    )
    outcome(run, passed=2)


def test_parallel_tests_share_one_server_and_nothing_else(run: pytest.Pytester) -> None:
    run.makepyfile(
        ASK
        + """
import pathlib, pytest

@pytest.mark.parametrize("number", range(8))
def test_it(llm_proxy, number):
    llm_proxy.reply(f"answer {number}")
    assert ask("hello") == f"answer {number}"
    assert [request.last_message for request in llm_proxy.requests] == ["hello"]
    with pathlib.Path("urls").open("a") as urls:
        urls.write(llm_proxy.url + chr(10))
"""
    )
    outcome(run, "-pxdist", "-n3", passed=8)
    urls = (run.path / "urls").read_text().split()
    assert len(urls) == 8
    assert len(set(urls)) == 1
    assert not _listens(urls[0])


def test_a_run_that_is_killed_leaves_no_server_behind(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
import os, pathlib, signal

def test_it(llm_proxy):
    pathlib.Path("url").write_text(llm_proxy.url)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", PLUGIN, "--basetemp", str(run.path / "temp")]
    killed = subprocess.run(command, cwd=run.path, env=environ, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    log = next(Path(run.path).rglob("llm-proxy/log")).read_text()
    _wait_for_the_end_of(int(re.findall(r"Listening at: \S+ \((\d+)\)", log)[0]))
    assert not _listens((run.path / "url").read_text())


CRASHING = """
import os, pathlib, pytest, time

def wait_for(name, count=1):
    while len(list(pathlib.Path().glob(name))) < count:
        time.sleep(0.01)

@pytest.mark.parametrize("number", range(12))
def test_it(llm_proxy, number):
    pathlib.Path(f"url-{number}").write_text(llm_proxy.url)
    llm_proxy.reply(f"answer {number}")
    if not pathlib.Path("crashed").exists():
        wait_for("url-*", WORKERS)
        if owns_the_server():
            pathlib.Path("crashed").touch()
            os._exit(1)
        wait_for("crashed")
    assert ask("hello") == f"answer {number}"

def owns_the_server():
    children = pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return bool(children.split())
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_when_the_process_that_owns_the_server_crashes_the_others_go_on(
    run: pytest.Pytester, workers: int
) -> None:
    run.makepyfile(ASK + f"WORKERS = {workers}" + CRASHING)
    outcome(run, "-pxdist", f"-n{workers}", passed=11, failed=1)
    urls = {path.read_text() for path in run.path.glob("url-*")}
    assert len(urls) == 3 - workers
    for url in urls:
        _wait_until_nobody_listens(url)


def test_the_application_can_be_mounted_in_process(run: pytest.Pytester) -> None:
    run.makepyfile(
        """
import httpx
from openai import OpenAI

def test_httpx(llm_proxy_app):
    llm_proxy_app.reply("from within", to="hello")
    transport = httpx.WSGITransport(app=llm_proxy_app.app)
    with OpenAI(http_client=httpx.Client(transport=transport)) as client:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert said == "from within"
    assert [request.body["stream"] for request in llm_proxy_app.requests] == [True]

def test_flask(llm_proxy_app):
    llm_proxy_app.reply("from within")
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
    answer = llm_proxy_app.app.test_client().post(
        "/v1/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {llm_proxy_app.api_key}"},
    )
    assert answer.json["choices"][0]["message"]["content"] == "from within"
"""
    )
    outcome(run, passed=2)


def test_nothing_is_imported_until_a_test_asks_for_it() -> None:
    script = (
        "import sys, pytest; before = set(sys.modules); import llm_proxy.testing.plugin;"
        "print(sorted(name for name in set(sys.modules) - before))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert printed.stdout.strip() == str(
        ["llm_proxy", "llm_proxy.testing", "llm_proxy.testing.plugin"]
    )
