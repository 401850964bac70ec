"""Templates in fixtures: what is filled in, what stays as it is, and where they end."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.core.reply import Stamped, TextRun, ToolCallDelta
from llm_proxy.errors import InternalError
from llm_proxy.mock.fixtures.problems import BrokenFixtures
from llm_proxy.settings import MockSettings
from tests.builders import chat_document, chat_request, mock_source
from tests.fixtures import Document, fixture, fixture_client, library, parsed

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
ORDER = {"userMessage": {"regex": r"order (?P<order>\S+)"}}


def answered(document: Document, text: str = "hi", *, ours: bool = False) -> str:
    source = mock_source(MockSettings(), library(document, ours=ours), now=lambda: NOW)
    request = chat_request(text, document=chat_document(text, user="ada"))
    said = ""
    for event in source.reply(request):
        match event:
            case TextRun(pieces):
                said += "".join(pieces)
            case ToolCallDelta():
                said += event.arguments
            case Stamped():
                continue
    return said


def content(written: Any, match: Document | None = None, **more: Any) -> Document:
    return fixture(match, {"content": written}, **more)


def call(arguments: Any) -> Document:
    return fixture(ORDER, {"toolCalls": [{"name": "a", "arguments": arguments}]})


def test_groups_the_request_and_the_time_are_filled_in() -> None:
    written = "{{ order }} for {{ request.user }} on {{ request.model }} in {{ now.year }}: "
    written += "{% for one in request.messages %}{{ one.role }} {{ one.content }}{% endfor %}"
    assert answered(content(written, ORDER), "order 12") == (
        "12 for ada on gpt-4o in 2024: user order 12"
    )


def test_a_field_that_the_request_lacks_can_have_a_default() -> None:
    written = "{{ request.temperature | default(1) }} for {{ request.user | default('nobody') }}"
    assert answered(content(written)) == "1 for ada"


def test_the_time_is_told_in_full() -> None:
    assert answered(content("{{ now }}")) == "2024-05-06 07:08:09+00:00"


def test_what_is_filled_in_cannot_break_the_json_around_it() -> None:
    expected = '{"id":"\\"12","n":1}'
    assert answered(call({"id": "{{ order }}", "n": 1}), 'order "12') == expected
    assert answered(call('{"id": "{{ order }}", "n": 1}'), 'order "12') == expected
    assert answered(content({"id": "{{ order }}", "n": 1}, ORDER), 'order "12') == expected


def test_a_text_that_is_no_json_is_filled_in_as_it_stands() -> None:
    assert answered(call('{"id": {{ order }}}'), "order 12") == '{"id": 12}'


@pytest.mark.parametrize(
    "written",
    ["Write {{ name }}.", "{{ 1 + 1 }}", "{{ broken", "{% if x %}", "{{ request.a }} {{ b }}"],
)
def test_a_text_about_templates_stays_as_it_is(written: str) -> None:
    assert answered(content(written)) == written
    quoted = written.replace('"', "")
    arguments = f'{{ "spaced":  "{quoted}" }}'
    document = fixture({}, {"toolCalls": [{"name": "a", "arguments": arguments}]})
    assert answered(document) == arguments


def test_what_is_ours_is_always_a_template() -> None:
    assert answered(content("{{ 1 + 1 }}"), ours=True) == "2"
    assert answered(content("{{ 1 + 1 }}", template=True)) == "2"
    assert answered(content("{{ now }}", ORDER, template=False), "order 1") == "{{ now }}"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{{ ordr }}", "the template names 'ordr', which is not known; is it order?"),
        ("{{ x }}", "the template names 'x', which is not known; known are now, order, request"),
        ("{{ order", "the template is wrong: unexpected end of template, expected 'end of print"),
        ("{% macro a() %}{% endmacro %}", "the template has a macro, which fixtures cannot have"),
        ("{% include 'a' %}", "the template has a include, which fixtures cannot have"),
        ("{{ order|nothing }}", "the template is wrong: No filter named 'nothing'."),
    ],
)
def test_a_wrong_template_is_told_when_it_is_loaded(written: str, message: str) -> None:
    with pytest.raises(BrokenFixtures) as refused:
        parsed(content(written, ORDER))
    (problem,) = refused.value.problems
    assert problem.message.startswith(f"response.content: {message}")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{{ request.temperature }}", "the request has no 'temperature'; for those without it"),
        ("{{ request['top_p'] + 1 }}", "the request has no 'top_p'; for those without it"),
        ("{{ request.messages[0].name }}", "has no attribute 'name'"),
        ("{{ request.messages[1].role }}", "has no element 1"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ ''.__class__.mro() }}", "unsafe"),
        ("{{ 'a' * 1000000000 }}", "only two numbers can be multiplied"),
        ("{{ 9 ** 999999999 }}", "only two numbers can be multiplied"),
        ("{{ 'a'.ljust(1000000000) }}", "unsafe"),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "its loops take more than 10000 turns",
        ),
        (
            "{% for a in range(9999) %}" + "x" * 200 + "{% endfor %}",
            "it is longer than 1000000 characters",
        ),
    ],
)
def test_a_template_that_fails_or_does_not_end_is_an_error(written: str, message: str) -> None:
    with pytest.raises(InternalError) as failed:
        answered(content(written), ours=True)
    assert failed.value.code == "template_failed"
    assert message in failed.value.message


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        (
            "chat/completions",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        ),
        ("responses", {"input": "hi"}),
        ("responses", {"input": [{"role": "user", "content": "hi"}]}),
        ("completions", {"prompt": "hi"}),
        ("completions", {"prompt": ["hi"]}),
    ],
)
def test_a_template_sees_the_same_of_a_request_on_every_surface(
    tmp_path: Path, path: str, fields: Document
) -> None:
    written = "{{ request.text }} {{ request.messages[-1].role }} "
    written += "{{ request.messages[-1].content }} {{ request.model }} {{ request.user }}"
    mock = fixture_client(tmp_path, content(written))
    answer = mock.post(f"/v1/{path}", json={"model": "gpt-4o", "user": "ada", **fields})
    assert "hi user hi gpt-4o ada" in answer.get_data(as_text=True)


def test_a_template_sees_the_calls_of_a_conversation_on_every_surface(tmp_path: Path) -> None:
    written = "{{ request.messages[1].tool_calls[0].function.arguments }} "
    written += "{{ request.messages[-1].tool_call_id }} {{ request.messages[-1].content }}"
    mock = fixture_client(tmp_path, content(written))
    asked = {"role": "user", "content": "hi"}
    called = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chat = [
        asked,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]
    items = [
        asked,
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "done"},
    ]
    cases: dict[str, Document] = {
        "chat/completions": {"messages": chat},
        "responses": {"input": items},
    }
    for path, fields in cases.items():
        answer = mock.post(f"/v1/{path}", json={"model": "gpt-4o", **fields})
        assert "{} call_1 done" in answer.get_data(as_text=True)


def test_a_template_that_fails_names_its_fixture(tmp_path: Path) -> None:
    named = fixture(
        {"userMessage": {"regex": r"order (?P<order>\S+)"}},
        {"content": "Order {{ order }}."},
        name="forced",
    )
    client = fixture_client(tmp_path, named)
    headers = {"X-Mock-Fixture": "forced"}
    answer = client.post("/v1/chat/completions", json=chat_document("hi"), headers=headers)
    assert (answer.status_code, answer.get_json()["error"]["message"]) == (
        500,
        "The fixture fixtures.json#1 (forced) failed. Its template failed: 'order' is undefined.",
    )
