"""An exchange of the journal as a test for pytest, which holds no key."""

import json
import re
from collections.abc import Iterator, Mapping
from pprint import pformat
from typing import Any

from llm_proxy.control.asked import chat_asked, sent
from llm_proxy.control.attempts import CUTS
from llm_proxy.control.exports import fixture
from llm_proxy.errors import NotServed
from llm_proxy.journal.entry import Found
from llm_proxy.openai_api.again import surface_of

BREAKING = (*CUTS, "error_event", "malformed")
"""The faults of which no answer comes that a test could look at."""


def pytest_test(found: Found) -> str:
    """A test for pytest that scripts the reply, asks for it again and asserts what came.

    Raises:
        NotServed: as `fixture` does, or it cannot be asked of another server.
    """
    (made,) = fixture(found)["fixtures"]
    if made.get("fault", {}).get("kind") in BREAKING:
        raise NotServed("The reply broke off: of that a fixture can be made, and no test.")
    surface = surface_of(found.entry.path)
    assert surface is not None
    asked = chat_asked(found)
    assert asked is not None  # else there would be no fixture
    if asked.previous or asked.references:
        raise NotServed(
            "It goes on from what this server holds, so that a test with a server of its own "
            "cannot repeat it."
        )
    body = {name: value for name, value in json.loads(sent(found)).items() if name != "stream"}
    name = re.sub(r"\W", "_", found.entry.id)
    ask = (
        f"    request = urllib.request.Request(llm_proxy.base_url + {surface.path!r}, "
        "json.dumps(BODY).encode(), HEADERS)"
    )
    failed = found.details["reply"] is None
    check = _fails(found) if failed else _answers(surface.path, body, found.details["reply"])
    lines = [
        f'"""What became of {found.entry.id}: {found.entry.method} {surface.path}."""',
        "",
        "import json",
        *(["import urllib.error"] if failed else []),
        "import urllib.request",
        "",
        *(["import pytest", ""] if failed else []),
        f"BODY = {pformat(body, width=96, sort_dicts=False)}",
        f"RESPONSE = {pformat(made['response'], width=96, sort_dicts=False)}",
        "",
        "",
        f"def test_{name}(llm_proxy):",
        "    llm_proxy.script(RESPONSE)",
        '    key = f"Bearer {llm_proxy.api_key}"',
        '    headers = {"Content-Type": "application/json", "Authorization": key}',
        ask.replace("HEADERS", "headers"),
        *check,
        "    assert llm_proxy.requests[-1].body == BODY",
    ]
    return "\n".join(lines) + "\n"


def _answers(path: str, body: Mapping[str, Any], reply: Mapping[str, Any]) -> Iterator[str]:
    """The lines that ask and look at what was said."""
    choice = reply["choices"][0]
    called = [(call["name"], call["arguments"]) for call in choice["toolCalls"]]
    yield "    with urllib.request.urlopen(request) as answer:"
    yield "        document = json.load(answer)"
    match path:
        case "/responses":
            if choice["text"]:
                yield '    items = [one for one in document["output"] if one["type"] == "message"]'
                yield '    said = "".join(part["text"] for one in items for part in one["content"])'
                yield f"    assert said == {choice['text']!r}"
            calls = '[one for one in document["output"] if one["type"].endswith("_call")]'
        case "/completions":
            yield '    said = document["choices"][0]["text"]'
            text = repr(choice["text"])
            yield f"    assert said{f'.endswith({text})' if body.get('echo') else f' == {text}'}"
            return
        case _:
            yield '    message = document["choices"][0]["message"]'
            yield f'    assert (message["content"] or "") == {choice["text"]!r}'
            calls = '[one[one["type"]] for one in message["tool_calls"]]'
            if body.get("functions") and not body.get("tools"):
                calls, called = '[message["function_call"]]', called[:1]
    if called:
        yield f"    calls = {calls}"
        # A custom tool has an input where others have arguments.
        of_each = '(one["name"], one.get("arguments", one.get("input")))'
        yield f"    assert [{of_each} for one in calls] == {called!r}"


def _fails(found: Found) -> Iterator[str]:
    """The lines that ask, and look at how it failed."""
    yield "    with pytest.raises(urllib.error.HTTPError) as raised:"
    yield "        urllib.request.urlopen(request)"
    yield f"    assert raised.value.code == {found.details['error']['status']}"
    yield "    raised.value.close()"
