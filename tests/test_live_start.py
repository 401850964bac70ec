"""Every way to start it ends in the same server; a wrong setting ends every start."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.legacy_process import running_legacy
from tests.servers import (
    ADAPTER,
    FLASK,
    GUNICORN,
    MOCK,
    ROOT,
    Server,
    StartError,
    ended,
    running,
)

WAYS_TO_START = pytest.mark.parametrize(
    "command", [GUNICORN, FLASK, MOCK, ADAPTER], ids=["gunicorn", "flask", "mock", "adapter"]
)
QUESTION = {"model": "any", "messages": [{"role": "user", "content": "one two"}]}


def answer(server: Server, base: str) -> str:
    response = server.request("POST", f"{base}/chat/completions", json=QUESTION)
    assert response.status_code == 200
    content: str = response.json()["choices"][0]["message"]["content"]
    return content


def models(server: Server, base: str) -> list[str]:
    return [model["id"] for model in server.request("GET", f"{base}/models").json()["data"]]


@WAYS_TO_START
def test_every_way_to_start_serves_health_and_chat(command: Sequence[str]) -> None:
    with running(command, MOCK_REPLY="echo") as server:
        health = server.request("GET", "/health")
        assert (health.status_code, health.json()) == (200, {"status": "ok"})
        assert answer(server, "/mock/v1") == "one two"
        v1_is_the_adapter = models(server, "/v1") == ["legacy-search"]
        assert v1_is_the_adapter == (command is ADAPTER)


def test_the_adapter_on_the_command_line_answers_from_the_legacy_api() -> None:
    with (
        running_legacy() as legacy,
        running(ADAPTER, STREAM_URL=f"{legacy}/stream?topNDocuments=3&sessionID=1") as server,
    ):
        content = answer(server, "/v1")
    assert "\n\n**Citations:**\n\n- " in content


def test_the_adapter_on_the_command_line_overrules_the_environment() -> None:
    with running(ADAPTER, LLM_PROXY_V1="mock", PORT="1") as server:
        assert models(server, "/v1") == ["legacy-search"]
        assert not server.url.endswith(":1")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_run_starts_gunicorn() -> None:
    plan = subprocess.run(
        ["make", "--dry-run", "run"], check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert ".venv/bin/gunicorn wsgi:app" in plan.stdout.splitlines()


@WAYS_TO_START
def test_wrong_settings_stop_the_start_with_one_list_of_all_of_them(
    command: Sequence[str],
) -> None:
    # --port would replace the wrong PORT, which is the point of it.
    without_port = command[: -2 if "--port" in command else None]
    failed = ended(without_port, PORT="x", MOCK_JITTER="2", STREAM_URL="nonsense")
    assert failed.returncode == 1
    assert [line for line in failed.stderr.splitlines() if line.strip()] == [
        "These settings are wrong:",
        "  PORT: 'x' is not a whole number",
        "  MOCK_JITTER: 2 is more than 1",
        "  STREAM_URL: 'nonsense' is not a URL like http://host:8000/path",
    ]


def test_gunicorn_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    with running(GUNICORN, HOME=str(tmp_path)) as server:
        assert server.request("GET", "/health").status_code == 200
        assert list(tmp_path.rglob("*")) == []
    assert list(tmp_path.rglob("*")) == []


def test_a_server_that_does_not_come_up_is_told_with_its_log_and_leaves_no_process() -> None:
    silent = "import os, signal; os.write(2, b'%d is lost' % os.getpid()); os.close(2)"
    command = (sys.executable, "-c", f"{silent}; signal.pause()")
    with pytest.raises(StartError, match="is lost") as caught, running(command):
        pass
    pid = int(re.findall(r"(\d+) is lost", str(caught.value))[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
