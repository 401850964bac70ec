"""A real adapter between real clients and two real search APIs: who is asked, and for what."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from llm_proxy.settings import from_env
from tests.builders import chat_document, documents
from tests.client_tasks import APPLY, CODE, COMPACTION, EDIT, OPEN_WEBUI, TITLE
from tests.legacy_process import running_legacy
from tests.raw_upstream import CLOSING_HEAD, event, raw_upstream
from tests.servers import GUNICORN, Server, ended, new_session, running_gunicorn

CHAT = "/adapter/v1/chat/completions"
EXAMPLE = Path(__file__).parents[1] / "examples" / "adapter" / "upstreams.toml"

CONFIG = """
[upstreams.docs]
url = "{docs}/stream?topNDocuments=3&sessionID=12345"
session_from = ["header:X-Session-ID", "user", "metadata.session_id"]
session_key_env = "SESSION_KEY"

[upstreams.tickets]
url = "{tickets}/stream?topNDocuments=1"
bearer_token = "t0ken"
citation_url = "https://tickets.example/{{id}}"
local_tasks = false
"""


class Stage(NamedTuple):
    """The adapter, and the addresses of the two search APIs behind it."""

    server: Server
    docs: str
    tickets: str


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    file = tmp_path_factory.mktemp("adapter") / "upstreams.toml"
    with (
        running_legacy() as docs,
        running_legacy(LEGACY_GENERATION="json", LEGACY_TOKEN="t0ken") as tickets,
    ):
        file.write_text(CONFIG.format(docs=docs, tickets=tickets))
        with running_gunicorn(STREAM_CONFIG=str(file), SESSION_KEY="a key of ours" * 2) as server:
            yield Stage(server, docs, tickets)


def state_of(base_url: str) -> dict[str, Any]:
    """What a search API was asked so far."""
    with new_session() as session:
        state: dict[str, Any] = session.get(f"{base_url}/_standin/state", timeout=30).json()
    return state


def asked_of(stage: Stage) -> tuple[list[str], list[str]]:
    return state_of(stage.docs)["queries"], state_of(stage.tickets)["queries"]


def answer(stage: Stage, document: dict[str, Any], **headers: str) -> dict[str, Any]:
    response = stage.server.request("POST", CHAT, json=document, headers=headers)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def content(body: dict[str, Any]) -> str:
    return str(body["choices"][0]["message"]["content"])


def streamed(stage: Stage, document: dict[str, Any]) -> str:
    """The text of the same answer as a stream."""
    response = stage.server.request("POST", CHAT, json={**document, "stream": True})
    *chunks, done = documents(response.content)
    assert done == "[DONE]"
    assert not any("citations" in chunk for chunk in chunks)
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


TASKS = {
    "title": (TITLE + "Birds sing at dawn.\n\n**Citations:**\n\n- 1", "Birds sing dawn"),
    "edit": (EDIT, CODE),
    "apply": (APPLY, CODE),
    "Open WebUI's title": (OPEN_WEBUI["title"], '{"title":"migratory birds sing dawn"}'),
    "Open WebUI's tags": (OPEN_WEBUI["tags"], '{"tags":["General"]}'),
    "Open WebUI's follow-ups": (OPEN_WEBUI["follow_ups"], '{"follow_ups":[]}'),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_answered_without_asking_anybody(stage: Stage, task: str) -> None:
    prompt, expected = TASKS[task]
    before = asked_of(stage)
    # Continue leaves a title 16 tokens.
    document = {**chat_document(prompt), "model": "docs", "max_tokens": 16}
    assert (content(answer(stage, document)), streamed(stage, document)) == (expected, expected)
    assert asked_of(stage) == before


def test_a_compaction_is_answered_without_asking_anybody(stage: Stage) -> None:
    before = asked_of(stage)
    document = {
        "model": "docs",
        "messages": [
            {"role": "user", "content": "Why do birds sing?"},
            {"role": "assistant", "content": "At dawn.\n\n**Citations:**\n\n- 1"},
            {"role": "user", "content": [{"type": "text", "text": COMPACTION}]},
        ],
    }
    expected = "- User: Why do birds sing?\n- Assistant: At dawn."
    assert (content(answer(stage, document)), streamed(stage, document)) == (expected, expected)
    assert asked_of(stage) == before


def test_the_log_tells_who_answered(stage: Stage) -> None:
    for prompt, source in ((TITLE + "Birds", "local:title"), ("who answers?", "docs")):
        response = stage.server.request("POST", CHAT, json=chat_document(prompt))
        line = stage.server.wait_for_log(re.compile(response.headers["x-request-id"]).search)
        assert f" source={source} " in line


def test_tasks_reach_an_upstream_that_wants_them(stage: Stage) -> None:
    prompt = TITLE + "Birds"
    assert "Citations" in content(answer(stage, {**chat_document(prompt), "model": "tickets"}))
    assert asked_of(stage)[1][-1] == prompt.strip()


def test_the_model_chooses_the_upstream(stage: Stage) -> None:
    docs = answer(stage, {**chat_document("birds of docs"), "model": "docs"})
    tickets = answer(stage, {**chat_document("birds of tickets"), "model": "tickets"})
    assert [asked[-1] for asked in asked_of(stage)] == ["birds of docs", "birds of tickets"]
    assert content(docs) == "birds of docs\n\n**Citations:**\n\n- 1\n- 22\n- 333"
    assert content(tickets) == (
        "birds of tickets\n\n**Citations:**\n\n- [1](https://tickets.example/1)"
    )
    assert (docs["citations"], tickets["citations"]) == (["1", "22", "333"], ["1"])


def test_any_other_model_is_answered_by_the_first_upstream(stage: Stage) -> None:
    answer(stage, {**chat_document("for whom?"), "model": "gpt-4o"})
    assert asked_of(stage)[0][-1] == "for whom?"


def test_the_models_are_listed(stage: Stage) -> None:
    models = stage.server.request("GET", "/adapter/v1/models").json()["data"]
    assert [model["id"] for model in models] == ["docs", "tickets"]
    one = stage.server.request("GET", "/adapter/v1/models/tickets").json()
    assert one["id"] == "tickets"


def session(stage: Stage, document: dict[str, Any], key: str = "k", **headers: str) -> str | None:
    """The session that the search API sees."""
    document = {**chat_document("whose?"), "model": "docs", **document}
    answer(stage, document, Authorization=f"Bearer {key}", **headers)
    told: str | None = state_of(stage.docs)["sessions"][-1]
    return told


def test_users_have_sessions_of_their_own(stage: Stage) -> None:
    told = [
        session(stage, {"user": "ann"}),
        session(stage, {"user": "bob"}),
        session(stage, {"user": "ann"}, key="another"),
        session(stage, {"metadata": {"session_id": "ann"}}),
        session(stage, {}, **{"X-Session-ID": "ann"}),
        session(stage, {"user": "ann"}, **{"X-Session-ID": "ann"}),
    ]
    assert len(set(told)) == len(told)
    assert all(one is not None and len(one) == 32 for one in told)
    assert session(stage, {"user": "ann"}) == told[0]


def test_without_a_user_the_configured_session_is_used(stage: Stage) -> None:
    assert session(stage, {}) == "12345"


def test_a_known_session_cannot_be_taken_over(stage: Stage) -> None:
    assert session(stage, {"user": "12345"}) != "12345"
    anns = session(stage, {"user": "ann"})
    assert session(stage, {"user": anns}) != anns


@pytest.mark.parametrize(("model", "status"), [("docs", 200), ("tickets", 200), ("x", 200)])
def test_a_rating_reaches_the_upstream(stage: Stage, model: str, status: int) -> None:
    rating = {"chat_id": "chatcmpl-1", "search_query": "why?", "rating": 5}
    response = stage.server.request("POST", "/adapter/v1/feedback", json={**rating, "model": model})
    assert (response.status_code, response.json()) == (
        status,
        {"status": "success", "received_data": rating},
    )


def test_the_context_of_an_editor_is_not_searched_for(stage: Stage) -> None:
    parts = [
        {"type": "text", "text": "```birds.py\nfly()\n```\n"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": "Why do birds sing?"},
    ]
    document = {
        "model": "docs",
        "messages": [
            {"role": "user", "content": parts},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ],
    }
    answer(stage, document)
    assert asked_of(stage)[0][-1] == "Why do birds sing?"


def test_an_api_of_another_make_is_understood_by_its_fields(tmp_path: Path) -> None:
    """The example's last upstream, which shows the events that it is for."""
    sent = [
        {"event": "token", "data": {"text": "Birds "}},
        {"event": "thought", "data": {"text": "hm"}},
        {"event": "token", "data": {"text": "sing."}},
        {
            "event": "sources",
            "data": {"documents": [{"key": 7, "name": "On birds", "link": "https://b.example/"}]},
        },
        {"event": "done"},
    ]
    with raw_upstream(CLOSING_HEAD + b"".join(event(json.dumps(one)) for one in sent)) as wiki:
        file = tmp_path / "upstreams.toml"
        text = EXAMPLE.read_text().replace("http://127.0.0.1:8002", wiki.origin)
        file.write_text(text)
        with running_gunicorn(
            STREAM_CONFIG=str(file), DOCS_TOKEN="t0ken", SESSION_KEY="0123456789abcdef"
        ) as server:
            document = {**chat_document("Why?"), "model": "wiki"}
            body = server.request("POST", CHAT, json=document).json()
            named = server.request(
                "POST", CHAT, json={**chat_document("Name this chat"), "model": "wiki"}
            ).json()
            server.wait_for_log(lambda line: " upstream_unknown=1 " in line)
    assert content(body) == ("Birds sing.\n\n**Citations:**\n\n- [On birds](https://b.example/)")
    assert body["citations"] == ["7"]
    assert wiki.request_lines() == ["GET /answers?q=Why%3F HTTP/1.1"]
    assert content(named) == "Untitled"


def test_the_example_has_no_mistake() -> None:
    settings = from_env(
        {
            "STREAM_CONFIG": str(EXAMPLE),
            "DOCS_TOKEN": "t0ken",
            "SESSION_KEY": "0123456789abcdef",
        }
    )
    assert [one.model for one in settings.upstreams] == ["docs", "ticket-search", "wiki"]


def test_a_wrong_file_stops_the_start_with_all_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "upstreams.toml"
    file.write_text("[upstreams.docs]\nurll = 'http://a/'\nidle_timeout = 'soon'\n")
    process = ended(GUNICORN, STREAM_CONFIG=str(file))
    assert process.returncode != 0
    for problem in (
        "[upstreams.docs] urll: there is no such key; is it url?",
        "[upstreams.docs] idle_timeout: 'soon' is not a number",
        "[upstreams.docs] url: is missing",
    ):
        assert f"{file}: {problem}" in process.stderr
