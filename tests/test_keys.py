"""API keys may change while the server runs."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_proxy.settings import SettingsError, from_env
from llm_proxy.shell.keys import Keys
from tests.servers import running_gunicorn


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged, whatever an application or a tool has made of the package's log before."""
    log = logging.getLogger("llm_proxy.shell.keys")
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(log, "disabled", False)
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(caplog.handler)
    yield caplog
    log.removeHandler(caplog.handler)
    log.setLevel(level)


def write(file: Path, text: str) -> None:
    """Replace the file at once, as whoever rotates keys should; no two versions are one file."""
    new = file.with_name("new")
    new.write_text(text)
    os.replace(new, file)


def test_given_keys_are_held_and_no_others() -> None:
    keys = Keys(["one", "two"])
    assert [keys.hold(given) for given in ("one", "two", "on", "three", "", "ö")] == [
        *(True, True),
        *(False, False, False, False),
    ]


def test_a_change_of_the_file_holds_at_once(file: Path) -> None:
    write(file, "# the first team\none\n\n  two  # until June\n")
    keys = Keys(["fixed"], str(file))
    assert [keys.hold(given) for given in ("fixed", "one", "two", "#", "")] == [
        *(True, True, True),
        *(False, False),
    ]
    write(file, "three\n")
    assert [keys.hold(given) for given in ("fixed", "one", "three")] == [True, False, True]


def test_a_key_that_was_taken_out_of_the_file_is_still_known(file: Path) -> None:
    write(file, "one\n")
    keys = Keys(["fixed"], str(file))
    assert keys.ever_filed() == {"one"}
    write(file, "two\n")
    assert keys.ever_filed() == {"one", "two"}
    assert not keys.hold("one")


def test_an_empty_file_holds_no_key(file: Path) -> None:
    write(file, "# none yet\n")
    keys = Keys([], str(file))
    assert [keys.hold(given) for given in ("", "one", "# none yet")] == [False] * 3


@pytest.mark.parametrize("text", [None, "two words\n", "schlüssel\n"])
def test_a_file_that_is_no_longer_right_leaves_the_keys_as_they_were(
    file: Path, text: str | None, logged: pytest.LogCaptureFixture
) -> None:
    write(file, "one\n")
    keys = Keys([], str(file))
    assert keys.hold("one")
    file.unlink() if text is None else write(file, text)
    assert [keys.hold("one"), keys.hold("two"), keys.hold("one")] == [True, False, True]
    (warning,) = logged.messages
    assert warning.startswith("LLM_PROXY_API_KEYS_FILE: ")
    assert warning.endswith("; the keys that it held remain")
    assert text is None or text.strip() not in warning
    write(file, "two\n")
    assert [keys.hold("one"), keys.hold("two")] == [False, True]


def test_a_file_that_is_wrong_at_the_start_is_refused(file: Path) -> None:
    def problem() -> str:
        with pytest.raises(SettingsError) as refused:
            from_env({"LLM_PROXY_API_KEYS_FILE": str(file)})
        (problem,) = refused.value.problems
        return problem.removeprefix("LLM_PROXY_API_KEYS_FILE: ")

    assert problem() == f"'{file}' cannot be read: No such file or directory"
    write(file, "one\n\ntwo words\n")
    assert problem() == (
        f"line 3 of '{file}': a key may hold visible ASCII characters only, and no space"
    )
    file.write_bytes(b"\xff\n")
    assert problem() == f"'{file}' is not written in UTF-8"


def test_keys_are_exchanged_without_a_restart(file: Path) -> None:
    def status(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return server.request("GET", "/v1/models", headers=headers).status_code

    write(file, "old\n")
    with running_gunicorn(LLM_PROXY_API_KEYS_FILE=str(file)) as server:
        assert [status("old"), status("new")] == [200, 401]
        write(file, "new\n")
        assert [status("old"), status("new")] == [401, 200]
        assert server.request("GET", "/v1/models").status_code == 401
        assert server.request("GET", "/health").status_code == 200


def test_the_keys_of_the_file_stand_neither_in_the_log_nor_in_the_journal(file: Path) -> None:
    """Not even those that it holds since it was changed."""
    write(file, "first-of-the-file\n")
    with running_gunicorn(LLM_PROXY_API_KEYS_FILE=str(file), LLM_PROXY_LOG_LEVEL="debug") as server:
        for number, key in enumerate(("first-of-the-file", "second-of-the-file"), 1):
            write(file, f"{key}\n")
            said = {"model": "m", "messages": [{"role": "user", "content": f"It is {key}."}]}
            headers = {"Authorization": f"Bearer {key}"}
            answer = server.request("POST", "/v1/chat/completions", json=said, headers=headers)
            assert answer.status_code == 200
            server.wait_for_logs(number, lambda line: "/v1/chat/completions" in line)
        log = "\n".join(server.log_lines())
        journal = server.request("GET", "/control/requests", headers=headers).text
        for told in (log, journal):
            assert "It is ***." in told
            assert "-of-the-file" not in told
