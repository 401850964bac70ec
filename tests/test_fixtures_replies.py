"""What a fixture answers: events, their order and pace, and what each surface makes of them."""

import base64
import json
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.core.reply import (
    AT_HAND,
    Event,
    Finish,
    Noted,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    Stamped,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.core.runs import singly
from llm_proxy.errors import ScriptedError
from llm_proxy.mock.faults import FaultSpec, FixtureFaults
from llm_proxy.mock.fixtures.facts import facts_of
from llm_proxy.settings import MockSettings
from llm_proxy.settings.chaos import Chaos
from tests.builders import chat_document, chat_request, client, mock_source
from tests.fixtures import Document, fixture, fixture_client, library, matched

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def played(document: Document, text: str = "hi", **fields: Any) -> list[Event]:
    settings = MockSettings(ttft_ms=fields.pop("ttft_ms", 0))
    source = mock_source(settings, library(document), now=lambda: NOW)
    events: list[Event] = list(singly(source.reply(chat_request(text, **fields))))
    assert [events.pop(0), events.pop(0)] == [AT_HAND, Noted({"fixture": "matched"})]
    return events


def said(response: Document, **more: Any) -> list[Event]:
    """The events behind the signature."""
    return played(fixture({}, response, **more))[1:]


def test_a_text_is_signed_and_said_word_by_word() -> None:
    assert played(fixture({}, {"content": "Hello there"}, name="greeting")) == [
        Stamped("fixture f.json#1 (greeting)"),
        TextDelta("Hello "),
        TextDelta("there"),
        Finish("stop"),
    ]


def test_what_a_fixture_sets_is_signed() -> None:
    response = {
        "content": "a",
        "id": "chatcmpl-set",
        "created": 1700000000,
        "model": "other",
        "systemFingerprint": "fp_set",
        "finishReason": "length",
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }
    assert played(fixture({}, response)) == [
        Stamped("fixture f.json#1", "chatcmpl-set", 1700000000, "other", "fp_set"),
        TextDelta("a"),
        Finish("length", Usage(10, 5, 3, 4)),
    ]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 1, "output_tokens": 2}, Usage(1, 2)),
        ({"prompt_tokens": 3}, Usage(3, 0)),
        ({"cost": 0.1}, None),
    ],
)
def test_usage_may_be_partial(usage: Document, expected: Usage | None) -> None:
    assert said({"content": "", "usage": usage}) == [Finish("stop", expected)]


def test_an_object_is_sent_as_json_text() -> None:
    events = said({"content": {"a": [1.0, None, "é"]}}, chunkSize=100)
    assert events == [TextDelta('{"a":[1,null,"é"]}'), Finish("stop")]


def test_calls_come_with_their_ids_and_in_fragments() -> None:
    calls = [
        {"name": "look", "arguments": {"city": "Paris"}, "id": "call_set"},
        {"name": "see", "arguments": '{ "a": 1 }'},
    ]
    events = said({"content": "Well", "toolCalls": calls}, chunkSize=10)
    made = events[4]
    assert isinstance(made, ToolCallDelta)
    assert made.id is not None
    assert made.id.startswith("call_")
    assert events == [
        TextDelta("Well"),
        ToolCallDelta(0, "call_set", "look"),
        ToolCallDelta(0, arguments='{"city":"P'),
        ToolCallDelta(0, arguments='aris"}'),
        ToolCallDelta(1, made.id, "see"),
        ToolCallDelta(1, arguments='{ "a": 1 }'),
        Finish("tool_calls"),
    ]


def test_reasoning_comes_first_and_a_refusal_before_the_calls() -> None:
    response = {
        "reasoning": "Hm",
        "content": "No.",
        "refusal": "Never",
        "toolCalls": [{"name": "a", "id": "b"}],
    }
    assert said(response) == [
        ReasoningDelta("Hm"),
        TextDelta("No."),
        RefusalDelta("Never"),
        ToolCallDelta(0, "b", "a"),
        ToolCallDelta(0, arguments="{}"),
        Finish("tool_calls"),
    ]


def test_every_choice_says_the_same() -> None:
    events = played(fixture({}, {"content": "a"}), n=2)[1:]
    assert events == [TextDelta("a"), Finish(), TextDelta("a", 1), Finish("stop", None, 1)]


def pauses(events: Sequence[Event]) -> list[float | str]:
    """The pauses in seconds, and a dot for everything else."""
    return [event.seconds if isinstance(event, Pause) else "." for event in events]


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        ({"latency": 50}, [0.05, ".", 0.05, ".", 0.05, "."]),
        ({"latency": 0}, [".", ".", "."]),
        ({"streamingProfile": {"ttft": 200, "tps": 10}}, [0.2, ".", 0.2, ".", "."]),
        ({"streamingProfile": {"ttft": 200}, "latency": 50}, [0.2, ".", ".", "."]),
        (
            {"recordedTimings": {"ttftMs": 300, "intervalsMs": [100, 200]}},
            [0.3, ".", 0.1, ".", "."],
        ),
        (
            {"recordedTimings": {"ttftMs": 300, "interChunkDelaysMs": [100]}, "replaySpeed": 2},
            [0.15, ".", 0.05, ".", "."],
        ),
        ({}, [7.0, ".", ".", "."]),
    ],
)
def test_a_fixture_sets_the_pace(timing: Document, expected: list[float | str]) -> None:
    events = played(fixture({}, {"content": "Hello there"}, **timing), ttft_ms=7000)
    assert isinstance(events[0], Stamped)
    assert pauses(events[1:]) == expected


def test_an_error_is_raised_behind_the_signature() -> None:
    error = {"message": "Slow down.", "type": "rate_limit_error", "code": "slow"}
    source = mock_source(
        MockSettings(),
        library(fixture({}, {"error": error, "status": 429, "retryAfter": 2.5})),
    )
    events = source.reply(chat_request())
    assert [next(events), next(events)] == [AT_HAND, Noted({"fixture": "matched"})]
    assert next(events) == Stamped("fixture f.json#1")
    with pytest.raises(ScriptedError) as raised:
        next(events)
    assert (raised.value.status, raised.value.headers) == (429, {"retry-after": "2.5"})


def test_faults_are_carried_along() -> None:
    fixtures = library(
        fixture(
            truncateAfterChunks=3,
            disconnectAfterMs=20,
            chaos={"dropRate": 0.5},
            fault={"kind": "stall", "afterChunks": 2, "seconds": 1},
        )
    )
    match = matched(fixtures, facts_of(chat_request()))
    assert match is not None
    assert match.fixture.faults == FixtureFaults(
        fault=FaultSpec(kind="stall", after_chunks=2, seconds=1),
        chaos=Chaos(drop_rate=0.5),
        truncate_after_chunks=3,
        disconnect_after_ms=20,
    )


BLOCKS = {
    "blocks": [
        {"type": "toolCall", "name": "look", "arguments": {"a": 1}, "id": "call_set"},
        {"type": "text", "text": "Looking."},
    ]
}


@pytest.mark.parametrize("stream", [False, True])
def test_blocks_keep_their_order_in_a_response(tmp_path: Path, stream: bool) -> None:
    mock = fixture_client(tmp_path, fixture({}, BLOCKS))
    sent = {"model": "gpt-4o", "input": "hi", "stream": stream}
    answer = mock.post("/v1/responses", json=sent)
    last = answer.get_data(as_text=True).rstrip().rpartition("data: ")[2]
    document = json.loads(last)["response"] if stream else json.loads(last)
    kinds = [(item["type"], item["id"][:4]) for item in document["output"]]
    assert kinds == [("function_call", "fc_" + kinds[0][1][3]), ("message", "msg_")]


def test_an_error_has_the_shape_of_all_errors(tmp_path: Path) -> None:
    error = {"message": "Slow down.", "type": "rate_limit_error", "code": "slow"}
    mock = fixture_client(tmp_path, fixture({}, {"error": error, "status": 429}))
    for stream in (False, True):
        answer = mock.post("/v1/chat/completions", json=chat_document(stream=stream))
        assert answer.status_code == 429
        assert answer.get_json() == {"error": {**error, "param": None}}
        assert answer.headers["retry-after"] == "1"


def test_without_a_match_and_with_none_the_answer_tells_what_was_nearest(tmp_path: Path) -> None:
    mock = fixture_client(tmp_path, fixture({"userMessage": "weather"}, name="rain"))
    answer = mock.post("/v1/chat/completions", json=chat_document("hi"))
    assert answer.status_code == 404
    assert answer.get_json()["error"] == {
        "message": "No fixture answers this request. Nearest: "
        "fixtures.json#1 (rain) [userMessage: 'weather' is not in 'hi'].",
        "type": "invalid_request_error",
        "param": None,
        "code": "no_fixture_match",
    }


def test_without_a_match_the_settings_decide(tmp_path: Path) -> None:
    mock = fixture_client(tmp_path, fixture({"userMessage": "x"}), MOCK_REPLY="echo")
    answer = mock.post("/v1/chat/completions", json=chat_document("hi"))
    assert answer.get_json()["choices"][0]["message"]["content"] == "hi"


def test_without_fixtures_and_with_none_nothing_is_answered() -> None:
    answer = client(MOCK_REPLY="none").post("/v1/chat/completions", json=chat_document("hi"))
    assert answer.status_code == 404
    assert answer.get_json()["error"]["code"] == "no_fixture_match"


def test_each_prompt_of_a_completion_finds_its_own_fixture(tmp_path: Path) -> None:
    mock = fixture_client(
        tmp_path,
        fixture({"userMessage": "one"}, {"content": "first"}),
        fixture({"userMessage": "two", "endpoint": "completions"}, {"content": "second"}),
    )
    sent = {"model": "gpt-4o", "prompt": ["two", "one"]}
    choices = mock.post("/v1/completions", json=sent).get_json()["choices"]
    assert [choice["text"] for choice in choices] == ["second", "first"]


def test_an_embedding_is_that_of_every_input(tmp_path: Path) -> None:
    mock = fixture_client(
        tmp_path,
        fixture({"inputText": "a"}, {"embedding": [0.5, -1, 2]}),
        fixture({"inputText": "b"}, {"error": {"message": "No."}, "status": 400}),
    )
    sent = {"model": "text-embedding-3-small", "input": ["a", "z"]}
    data = mock.post("/v1/embeddings", json=sent).get_json()["data"]
    assert [one["embedding"] for one in data] == [[0.5, -1.0, 2.0]] * 2
    packed = mock.post("/v1/embeddings", json={**sent, "encoding_format": "base64"})
    raw = base64.b64decode(packed.get_json()["data"][0]["embedding"])
    assert struct.unpack("<3f", raw) == (0.5, -1.0, 2.0)
    assert mock.post("/v1/embeddings", json={**sent, "input": "b"}).status_code == 400
    made_up = mock.post("/v1/embeddings", json={**sent, "input": "zz"}).get_json()
    assert len(made_up["data"][0]["embedding"]) == 1536


def test_a_replay_ends_where_the_request_says(tmp_path: Path) -> None:
    """Not where the API that was recorded has counted no more tokens than are allowed."""
    usage = {"prompt_tokens": 1, "completion_tokens": 3}
    response = {"content": "Who asks, says it twice", "finishReason": "length", "usage": usage}
    mock = fixture_client(
        tmp_path,
        fixture({"userMessage": "recorded"}, response, recordedTimings={"ttftMs": 0}),
        fixture({"userMessage": "written"}, response),
        fixture({"userMessage": "timed"}, {"content": "Who asks"}, recordedTimings={"ttftMs": 0}),
    )

    def answered(text: str, **limits: Any) -> tuple[str, str]:
        answer = mock.post("/v1/chat/completions", json=chat_document(text, **limits))
        choice = answer.get_json()["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]

    whole = (response["content"], "length")
    assert answered("recorded") == answered("recorded", max_tokens=3) == whole
    assert answered("recorded", max_tokens=2) == ("Who asks", "length")
    assert answered("recorded", max_tokens=3, stop=["says"]) == ("Who asks, ", "stop")
    assert answered("written", max_tokens=3) == ("Who asks, sa", "length")
    assert answered("timed", max_tokens=1) == ("Who ", "length")
    assert answered("timed", stop="asks") == ("Who ", "stop")
