"""Builders for the values that many tests need."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from llm_proxy import create_app
from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.reply import Event, Events, Said, TextRun
from llm_proxy.mock.decisions import Decisions
from llm_proxy.mock.faults.precedence import Faults
from llm_proxy.mock.fixtures.library import Fixtures
from llm_proxy.mock.fixtures.replies import utc_now
from llm_proxy.mock.source import MockSource
from llm_proxy.openai_api.surface import Stamp
from llm_proxy.records.course import Course
from llm_proxy.settings import MockSettings, Settings, from_env
from llm_proxy.sqlite import place
from llm_proxy.sqlite.state import SqliteState
from llm_proxy.sqlite.store import SqliteStore
from llm_proxy.state import State

STAMP = Stamp(id="a" * 12, created=1_700_000_000)

USAGE = {
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "total_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
"""`Usage(1, 2)` as chat and legacy completions write it."""


def chat_request(text: str = "hi", **fields: Any) -> ChatRequest:
    return ChatRequest(model="gpt-4o", messages=(Message(role="user", text=text),), **fields)


def chat_document(text: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}


def stream_of(events: Iterable[Event | Exception]) -> Events:
    """A source's generator that yields `events`, and raises the exceptions among them."""
    for event in events:
        if isinstance(event, Exception):
            raise event
        yield event


def course_of(events: Iterable[Said | TextRun], at: Callable[[int], float] = float) -> Course:
    """The course of a reply whose events came at these moments, with all that was said."""
    course = Course()
    course.keeps = True
    for number, event in enumerate(events):
        course.came(event, at(number))
    return course


def empty_state() -> SqliteState:
    """A state of its own, in memory."""
    return SqliteState(place.database(place.whereabouts("", {})))


def empty_store() -> SqliteStore:
    """A store of its own, in memory."""
    return SqliteStore(place.database(place.whereabouts("", {})), "mock")


def mock_source(
    settings: MockSettings,
    fixtures: Fixtures | None = None,
    *,
    state: State | None = None,
    faults: Faults | None = None,
    now: Callable[[], datetime] = utc_now,
) -> MockSource:
    """A source of replies without fixtures and faults, but for those that are given."""
    state = state or empty_state()
    decisions = Decisions(
        fixtures or Fixtures(state), faults or Faults(state, settings.chaos, settings.seed)
    )
    return MockSource(settings, state, decisions, now=now)


def client(**environ: str) -> FlaskClient:
    """A client of the whole application, in process."""
    return create_app(from_env(environ) if environ else Settings()).test_client()


def read(answer: TestResponse) -> Any:
    """The JSON that an answer is."""
    return json.loads(answer.data)


def documents(stream: bytes) -> list[Any]:
    """The payloads of a stream, decoded; `[DONE]` stays a string."""
    events = stream.decode().split("\n\n")
    assert events.pop() == "", "a stream ends with a blank line"
    payloads = [event.removeprefix("data: ") for event in events]
    return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]
