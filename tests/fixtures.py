"""Builders for fixtures, and a client of the whole application that has them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from llm_proxy.mock.fixtures import parsing
from llm_proxy.mock.fixtures.facts import Facts
from llm_proxy.mock.fixtures.fixture import Fixture, Match
from llm_proxy.mock.fixtures.index import Index
from llm_proxy.mock.fixtures.library import Fixtures
from llm_proxy.mock.fixtures.loading import FixtureSet
from llm_proxy.state import State
from tests.builders import client, empty_state

Document = Mapping[str, Any]

SAID = {"content": "said"}


def fixture(match: Document | None = None, response: Document = SAID, **more: Any) -> Document:
    return {"match": match or {}, "response": response, **more}


def text(*fixtures: Document) -> str:
    return json.dumps({"fixtures": fixtures})


def parsed(*documents: Document, ours: bool = False) -> list[Fixture]:
    return [
        parsing.fixture(document, "f.json", number, ours=ours)
        for number, document in enumerate(documents, 1)
    ]


def library(*documents: Document, state: State | None = None, ours: bool = False) -> Fixtures:
    fixtures = parsed(*documents, ours=ours)
    found = FixtureSet(fixtures, Index(fixtures))
    return Fixtures(state or empty_state(), lambda: found)


def matched(fixtures: Fixtures, facts: Facts) -> Match | None:
    """The fixture that answers a request, with the use of it counted."""
    while (found := fixtures.find(facts)) is not None:
        if fixtures.counted(found):
            return found.match
    return None


def fixture_client(folder: Path, *documents: Document, **environ: str) -> FlaskClient:
    """A client of a mock that has these fixtures, and no other answer."""
    (folder / "fixtures.json").write_text(text(*documents))
    return client(**{"MOCK_FIXTURES": str(folder), "MOCK_REPLY": "none", **environ})
