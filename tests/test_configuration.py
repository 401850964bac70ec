"""Several upstreams in one configuration file, checked as a whole at the start."""

import json
from pathlib import Path

import pytest

from llm_proxy.settings import AdapterSettings, Settings, SettingsError, from_env
from llm_proxy.settings.event_fields import EventFields
from llm_proxy.settings.task_patterns import TaskPattern

KEY = "a key of this installation"

TWO = """
[upstreams.docs]
url = "http://docs.example/stream?topNDocuments=5"
bearer_token_env = "DOCS_TOKEN"
idle_timeout = 30
word_separator = ""
local_tasks = false
session_from = ["user", "metadata.session_id"]
session_key_env = "SESSION_KEY"

[upstreams.tickets]
model = "ticket-search"
url = "https://tickets.example/search"
query_param = "q"
connect_timeout = 0.5
max_query_bytes = 1000

[upstreams.tickets.headers]
X-Team = "docs"

[upstreams.tickets.dialect]
type = "event"
text = "data.text"
text_types = ["token"]

[[upstreams.tickets.tasks]]
kind = "title"
begins = "Name this chat"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "upstreams.toml"


def read(file: Path, text: str, **environ: str) -> Settings:
    file.write_text(text)
    return from_env({"STREAM_CONFIG": str(file), **environ})


def problems_of(file: Path, text: str, **environ: str) -> list[str]:
    """What is wrong, without the name of the file in front."""
    with pytest.raises(SettingsError) as refused:
        read(file, text, **environ)
    return [problem.removeprefix(f"{file}: ") for problem in refused.value.problems]


def test_each_table_is_an_upstream_and_the_first_is_the_default(file: Path) -> None:
    settings = read(file, TWO, DOCS_TOKEN="t0ken", SESSION_KEY=KEY)
    docs = AdapterSettings(
        model="docs",
        url="http://docs.example/stream?topNDocuments=5",
        bearer_token="t0ken",
        idle_timeout_seconds=30.0,
        word_separator="",
        local_tasks=False,
        session_from=("user", "metadata.session_id"),
        session_key=KEY,
    )
    tickets = AdapterSettings(
        model="ticket-search",
        url="https://tickets.example/search",
        query_param="q",
        connect_timeout_seconds=0.5,
        max_query_bytes=1000,
        headers=(("X-Team", "docs"),),
        dialect=EventFields(type="event", text="data.text", text_types=("token",)),
        tasks=(TaskPattern(kind="title", begins="Name this chat"),),
    )
    assert (settings.upstreams, settings.adapter) == ((docs, tickets), docs)
    assert set(settings.secrets) == {"t0ken", KEY, "docs"}


def test_without_a_file_there_is_the_upstream_of_the_environment() -> None:
    settings = from_env({"STREAM_URL": "http://a/stream"})
    assert settings.upstreams == (AdapterSettings(url="http://a/stream"),)


def test_the_environment_has_what_the_upstreams_share(file: Path) -> None:
    text = '[upstreams.a]\nurl = "http://a/"\n[upstreams.b]\nurl = "http://b/"\nidle_timeout = 1\n'
    settings = read(file, text, STREAM_IDLE_TIMEOUT="7", STREAM_TOTAL_TIMEOUT="70")
    assert [
        (one.idle_timeout_seconds, one.total_timeout_seconds) for one in settings.upstreams
    ] == [(7.0, 70.0), (1.0, 70.0)]


def test_what_belongs_to_one_upstream_is_not_handed_to_all(file: Path) -> None:
    """A password least of all."""
    text = '[upstreams.a]\nurl = "http://a/"\n'
    assert problems_of(
        file, text, STREAM_BEARER_TOKEN="t0ken", STREAM_URL="http://x/", STREAM_COOKIE=""
    ) == [
        f"{name}: where STREAM_CONFIG is set, it belongs into that file, to one upstream"
        for name in ("STREAM_URL", "STREAM_BEARER_TOKEN")
    ]


def test_all_problems_are_listed_in_one_message(file: Path) -> None:
    text = """
[upstrems.x]

[upstreams.a]
idle_timout = 3
idle_timeout = "soon"
max_query_bytes = 1.5
local_tasks = "maybe"
bearer_token_env = "NOBODY"
cookie = "c=d"
cookie_env = "COOKIE"
zzz = 1

[upstreams.b]
url = "ftp://ann:pw@b/"
bearer_tokenenv = "X"
session_from = ["user"]
headers = "x"
dialect = { txt = "a" }

[upstreams.c]
url = "http://c/"
model = "b"
session_from = ["user"]
total_timeout = 1979-05-27
tasks = [{ kind = "poem", begins = "x" }]
"""
    expected = [
        "upstrems: there is no such table; is it upstreams?",
        "[upstreams.a] idle_timout: there is no such key; is it idle_timeout?",
        "[upstreams.a] bearer_token_env: the environment has no variable 'NOBODY'",
        "[upstreams.a] cookie_env: cookie is set, too",
        "[upstreams.a] zzz: there is no such key",
        "[upstreams.a] idle_timeout: 'soon' is not a number",
        "[upstreams.a] max_query_bytes: '1.5' is not a whole number",
        "[upstreams.a] local_tasks: 'maybe' is not one of 1, true, yes, 0, false, no",
        "[upstreams.a] url: is missing",
        "[upstreams.b] bearer_tokenenv: there is no such key; is it bearer_token_env?",
        "[upstreams.b] url: 'ftp://***@b/' is not a URL like http://host:8000/path",
        '[upstreams.b] headers: the value is not a JSON object like {"X-Name": "value"}',
        "[upstreams.b] dialect: a dialect has no key 'txt'; is it text?",
        "[upstreams.c] total_timeout: '1979-05-27' is not a number",
        "[upstreams.c] model: 'b' is that of another upstream, too",
    ]
    problems = problems_of(file, text, COOKIE="c=d", STREAM_IDLE_TIMEOUT="-1")
    assert problems.pop(0) == "STREAM_IDLE_TIMEOUT: -1 is less than 0.001"
    (tasks,) = [problem for problem in problems if " tasks: " in problem]
    problems.remove(tasks)
    assert problems == expected
    assert tasks.startswith("[upstreams.c] tasks: the value is not a JSON array like")
    assert "Invalid enum value 'poem'" in tasks


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no table [upstreams.NAME]"),
        ("[upstreams]", "there is no table [upstreams.NAME]"),
        ("upstreams = 1", "each upstream has a table of its own, [upstreams.NAME]"),
        ("[upstreams]\na = 1", "each upstream has a table of its own, [upstreams.NAME]"),
        ("[[upstreams]]\nurl = 1", "each upstream has a table of its own, [upstreams.NAME]"),
        (
            "[upstreams.a]\nconfig = 'x'\nurl = 'http://a'",
            "[upstreams.a] config: there is no such key",
        ),
        (
            "[upstreams.a]\nurl = 'http://a'\nsession_from = ['user']",
            "[upstreams.a] session_key: is missing; sessions need one, any text of 16 or more "
            "characters that nobody else knows",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_table(file: Path, text: str, problem: str) -> None:
    assert problems_of(file, text) == [problem]


def test_a_file_that_is_no_toml_is_refused_with_the_line(file: Path) -> None:
    (problem,) = problems_of(file, "[upstreams.a]\nurl = \n")
    assert problem.startswith("this is not TOML: ")
    assert "line 2" in problem


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "x.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(SettingsError) as refused:
            from_env({"STREAM_CONFIG": str(path)})
        (problem,) = refused.value.problems
        assert problem.startswith(f"STREAM_CONFIG: '{path}' cannot be read: {reason}")


def test_secrets_are_not_repeated(file: Path) -> None:
    text = '[upstreams.a]\nurl = "http://a/"\nbearer_token_env = "T"\nsession_key_env = "K"\n'
    listed = "\n".join(problems_of(file, text, T="s3cret\n", K="s3cret"))
    assert "s3cret" not in listed
    assert listed.count("\n") == 1


def test_the_same_can_be_said_in_the_environment() -> None:
    adapter = from_env(
        {
            "STREAM_DIALECT": json.dumps({"text": "a"}),
            "STREAM_TASKS": json.dumps([{"kind": "title", "begins": "Name", "role": "system"}]),
        }
    ).adapter
    assert adapter == AdapterSettings(
        dialect=EventFields(text="a"),
        tasks=(TaskPattern(kind="title", begins="Name", role="system"),),
    )
