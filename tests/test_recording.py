"""Recording: what a real API says is passed on as it comes, and becomes a fixture."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_proxy.core.chat_request import ChatRequest, ToolCall
from llm_proxy.core.folding import collect
from llm_proxy.core.prompts import replies
from llm_proxy.core.reply import (
    IDLE,
    Choice,
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Stamped,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.errors import InvalidRequest
from llm_proxy.mock.fixtures.fingerprint import fingerprint
from llm_proxy.mock.recording.embeddings import RecordingEmbeddings
from llm_proxy.mock.recording.shelf import Shelf
from llm_proxy.mock.recording.source import RecordingSource
from llm_proxy.mock.recording.upstream import Upstream
from llm_proxy.mock.replay import RecordedTimings
from llm_proxy.openai_api import completions
from llm_proxy.openai_api.chat import answer as chat
from llm_proxy.openai_api.embeddings import packed
from llm_proxy.openai_api.resource import Call
from llm_proxy.openai_api.responses import request as responses
from llm_proxy.openai_api.surface import Surface
from llm_proxy.store import Stored
from tests.builders import chat_document, empty_store
from tests.raw_upstream import (
    CHUNKED_HEAD,
    LAST_CHUNK,
    PATIENCE_SECONDS,
    Act,
    RawUpstream,
    Step,
    chunk,
    event,
    head,
    next_but,
    raw_upstream,
)

KEY = "sk-clientclientclient"


class Kept(Shelf):
    """A shelf that keeps what is put on it, and writes nothing."""

    def __init__(self) -> None:
        super().__init__("unused")
        self.names: list[str] = []
        self.fixtures: list[dict[str, Any]] = []

    def put(self, name: str, fixture: Mapping[str, Any]) -> None:
        self.names.append(name)
        self.fixtures.append(dict(fixture))


def source(upstream: RawUpstream, shelf: Shelf, key: str = "") -> RecordingSource:
    return RecordingSource(Upstream(f"{upstream.origin}/v1", key, PATIENCE_SECONDS), shelf)


def asked(
    document: Mapping[str, Any], surface: Surface = chat.SURFACE, **headers: str
) -> ChatRequest:
    request = surface.parse(json.dumps(document).encode())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return msgspec.structs.replace(request, headers=named)


def json_answer(document: object) -> bytes:
    body = json.dumps(document).encode()
    return head("Content-Type: application/json", f"Content-Length: {len(body)}") + body


def stream_answer(*payloads: object, done: bool = True) -> list[Step]:
    """Chunks in the form of chat completions, each sent by itself."""
    sent = [chunk(event(json.dumps(payload))) for payload in payloads]
    return [CHUNKED_HEAD, *sent, *([chunk(event("[DONE]"))] if done else []), LAST_CHUNK]


def told(delta: Mapping[str, Any], reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk as OpenAI sends it today."""
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1_800_000_000,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_upstream",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
        "usage": None,
        "obfuscation": "8Ff",
        **fields,
    }


USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 12,
    "total_tokens": 21,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 0},
}
TOLD_USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 12,
    "total_tokens": 21,
    "completion_tokens_details": {"reasoning_tokens": 7},
}
SIGNED = Stamped(
    "recorded",
    "chatcmpl-upstream",
    1_800_000_000,
    "gpt-4o-2024-08-06",
    "fp_upstream",
    verbatim=True,
    service_tier="default",
    limits={},
)
LAST = told({}, choices=[], usage=USAGE)


def recorded(
    document: Mapping[str, Any], *script: Step, surface: Surface = chat.SURFACE, **headers: str
) -> tuple[list[Event], dict[str, Any], RawUpstream]:
    """The events of a reply, the fixture made of it, and the API that was asked."""
    shelf = Kept()
    with raw_upstream(*script) as upstream:
        request = asked(document, surface, **headers)
        events = [e for e in replies(source(upstream, shelf), request) if e != IDLE]
    (fixture,) = shelf.fixtures
    assert fixture["match"].pop("fingerprint") == fingerprint(request)
    msgspec.convert(fixture["recordedTimings"], RecordedTimings)
    return events, fixture, upstream


def test_a_stream_is_passed_on_and_recorded() -> None:
    events, fixture, _ = recorded(
        chat_document("What is 2 + 2?", stream=True),
        *stream_answer(
            told({"role": "assistant", "content": "", "refusal": None}),
            told({"reasoning_content": "Easy."}),
            told({"content": "It is "}),
            told({"content": "4."}),
            told({}, "stop"),
            LAST,
        ),
    )
    assert events == [
        SIGNED,
        ReasoningDelta("Easy."),
        TextDelta("It is "),
        TextDelta("4."),
        Finish("stop", Usage(9, 12, 7)),
    ]
    timings = fixture.pop("recordedTimings")
    assert fixture == {
        "match": {
            "userMessage": {"regex": r"^What is 2 \+ 2\?\Z"},
            "model": "gpt-4o",
            "turnIndex": 0,
        },
        "response": {
            "reasoning": "Easy.",
            "content": "It is 4.",
            "finishReason": "stop",
            "usage": TOLD_USAGE,
            "model": "gpt-4o-2024-08-06",
            "systemFingerprint": "fp_upstream",
        },
    }
    assert timings["chunkLengths"] == [5, 6, 2]
    assert len(timings["intervalsMs"]) == 2


def test_each_event_is_passed_on_before_the_next_one_is_sent() -> None:
    """The API holds each chunk back until the client has seen the one before it."""
    first, second = threading.Event(), threading.Event()
    shelf = Kept()
    with raw_upstream(
        CHUNKED_HEAD,
        chunk(event(json.dumps(told({"content": "one"})))),
        first,
        chunk(event(json.dumps(told({"content": "two"})))),
        second,
        *stream_answer(told({}, "stop"))[1:],
    ) as upstream:
        events = source(upstream, shelf).reply(asked(chat_document(stream=True)))
        assert next_but(IDLE, events) == SIGNED
        assert next_but(IDLE, events) == TextDelta("one")
        first.set()
        assert next_but(IDLE, events) == TextDelta("two")
        assert shelf.fixtures == []
        second.set()
        assert next_but(IDLE, events) == Finish("stop")
        assert list(events) == []
    assert len(shelf.fixtures) == 1


def test_a_json_answer_is_recorded_with_the_time_it_took() -> None:
    message: dict[str, Any] = {"content": None, "refusal": "No.", "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    events, fixture, upstream = recorded(
        chat_document(), json_answer(told({}, choices=[choice], usage=USAGE))
    )
    assert events == [SIGNED, RefusalDelta("No."), Finish("stop", Usage(9, 12, 7))]
    assert fixture["response"]["content"] == ""
    assert fixture["response"]["refusal"] == "No."
    assert list(fixture["recordedTimings"]) == ["ttftMs"]
    assert json.loads(upstream.bodies[0]) == chat_document()


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}


def test_tool_calls_are_recorded_as_the_model_wrote_them() -> None:
    def call(index: int, **fields: Any) -> dict[str, Any]:
        return told({"tool_calls": [{"index": index, **fields}]})

    events, fixture, _ = recorded(
        chat_document("weather", stream=True, tools=[TOOL]),
        *stream_answer(
            call(0, id="call_a", type="function", function={"name": "get_weather"}),
            call(0, function={"arguments": '{"city": '}),
            call(1, id="call_b", type="function", function={"name": "get_weather"}),
            call(1, function={"arguments": "{}"}),
            call(0, function={"arguments": '"Paris"}'}),
            told({}, "tool_calls"),
        ),
    )
    assert events[1:4] == [
        ToolCallDelta(0, "call_a", "get_weather", ""),
        ToolCallDelta(0, None, None, '{"city": '),
        ToolCallDelta(1, "call_b", "get_weather", ""),
    ]
    assert fixture["match"] == {
        "userMessage": {"regex": r"^weather\Z"},
        "model": "gpt-4o",
        "turnIndex": 0,
        "hasToolResult": False,
        "toolName": "get_weather",
    }
    assert fixture["response"]["toolCalls"] == [
        {"name": "get_weather", "arguments": '{"city": "Paris"}', "id": "call_a"},
        {"name": "get_weather", "arguments": "{}", "id": "call_b"},
    ]
    assert "content" not in fixture["response"]
    assert fixture["recordedTimings"]["chunkLengths"] == [0, 9, 8, 0, 2]


def test_text_between_calls_makes_blocks() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    _, fixture, _ = recorded(
        chat_document(stream=True),
        *stream_answer(
            told({"content": "First "}),
            told({"tool_calls": [call]}),
            told({"content": "then."}),
            told({}, "tool_calls"),
        ),
    )
    assert fixture["response"]["blocks"] == [
        {"type": "text", "text": "First "},
        {"type": "toolCall", "name": "f", "arguments": "{}", "id": "c"},
        {"type": "text", "text": "then."},
    ]


def test_of_several_choices_all_are_passed_on_and_the_first_is_recorded() -> None:
    two = [
        {"index": index, "delta": {"content": text}, "finish_reason": "stop"}
        for index, text in enumerate(("first", "second"))
    ]
    events, fixture, _ = recorded(
        chat_document(stream=True, n=2), *stream_answer(told({}, choices=two))
    )
    assert [choice.text for choice in collect(events).choices] == ["first", "second"]
    assert fixture["response"]["content"] == "first"


def test_a_request_is_sent_as_it_came_but_for_its_headers() -> None:
    document = chat_document(
        stream=True, temperature=0.5, custom_field={"a": [1]}, stream_options={"x": 1}
    )
    _, _, upstream = recorded(
        document,
        *stream_answer(told({"content": "a"}, "stop")),
        authorization=f"Bearer {KEY}",
        openai_project="proj",
        cookie="session=1",
        x_forwarded_for="10.0.0.1",
        x_mock_namespace="ann",
    )
    sent = json.loads(upstream.bodies[0])
    assert sent == document | {"stream_options": {"x": 1, "include_usage": True}}
    request_head = upstream.heads[0].lower()
    assert request_head.startswith("post /v1/chat/completions http/1.1\r\n")
    assert f"authorization: bearer {KEY}\r\n" in request_head
    assert "openai-project: proj\r\n" in request_head
    assert "accept: text/event-stream\r\n" in request_head
    for private in ("cookie", "10.0.0.1", "ann", "x-mock"):
        assert private not in request_head


def test_a_key_of_our_own_takes_the_place_of_the_clients() -> None:
    with raw_upstream(*stream_answer(told({"content": "a"}, "stop"))) as upstream:
        request = asked(chat_document(stream=True), authorization=f"Bearer {KEY}")
        list(source(upstream, Kept(), "ours").reply(request))
    assert "Authorization: Bearer ours\r\n" in upstream.heads[0].title().replace("Ours", "ours")
    assert KEY not in upstream.heads[0]


def test_a_key_to_our_own_door_is_not_passed_on() -> None:
    with raw_upstream(*stream_answer(told({"content": "a"}, "stop"))) as upstream:
        api = Upstream(upstream.origin, "", PATIENCE_SECONDS, passes_keys=False)
        request = asked(chat_document(stream=True), authorization=f"Bearer {KEY}")
        list(RecordingSource(api, Kept()).reply(request))
    assert "authorization" not in upstream.heads[0].lower()


def test_no_key_is_in_a_recording() -> None:
    other = "sk-proj-0123456789abcdef"
    _, fixture, _ = recorded(
        chat_document(f"My key is {KEY}. Use it.", stream=True),
        *stream_answer(
            told({"content": f"Not {KEY[:9]}"}), told({"content": f"{KEY[9:]}, {other}."}, "stop")
        ),
        authorization=f"Bearer {KEY}",
    )
    written = json.dumps(fixture)
    assert KEY not in written
    assert other not in written
    assert fixture["match"]["userMessage"] == {"regex": r"^My key is [^\s]*\. Use it\.\Z"}
    assert fixture["response"]["content"] == "Not ***, ***."


@pytest.mark.parametrize(
    ("sent", "key", "asks", "told_as"),
    [
        ("test", "", True, "the latest word, my-password-1."),
        ("word", "sk-real", True, "the latest word, my-password-1."),
        ("my-password-1", "sk-real", True, "the latest word, my-password-1."),
        ("my-password-1", "", True, "the latest word, ***."),
        ("my-password-1", "sk-real", False, "the latest word, ***."),
        ("password", "", True, "the latest word, my-password-1."),
    ],
)
def test_a_word_that_stands_for_a_key_is_left_in_texts(
    sent: str, key: str, asks: bool, told_as: str
) -> None:
    shelf = Kept()
    answer = stream_answer(told({"content": "the latest word, my-password-1."}, "stop"))
    with raw_upstream(*answer) as upstream:
        api = Upstream(upstream.origin, key, PATIENCE_SECONDS, passes_keys=asks)
        request = asked(chat_document(stream=True), authorization=f"Bearer {sent}")
        list(RecordingSource(api, shelf).reply(request))
    assert shelf.fixtures[0]["response"]["content"] == told_as


def test_a_recording_is_there_before_the_answer_ends() -> None:
    shelf = Kept()
    with raw_upstream(*stream_answer(told({"content": "a"}, "stop"))) as upstream:
        for event in source(upstream, shelf).reply(asked(chat_document(stream=True))):
            assert bool(shelf.fixtures) is isinstance(event, Finish)


def test_what_looks_like_a_template_is_said_to_be_none() -> None:
    text = "In Jinja: {{ name }} {% if x %}"
    _, fixture, _ = recorded(
        chat_document(stream=True), *stream_answer(told({"content": text}, "stop"))
    )
    assert fixture["response"]["content"] == text
    assert fixture["template"] is False


def test_a_match_tells_all_that_a_fixture_can_ask_for() -> None:
    messages = [
        {"role": "system", "content": "Be brief (please)."},
        {"role": "user", "content": "weather?\nnow"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "12 degrees"},
    ]
    _, fixture, _ = recorded(
        {
            "model": "m",
            "messages": messages,
            "stream": True,
            "tools": [TOOL],
            "response_format": {"type": "json_object"},
        },
        *stream_answer(told({"content": "{}"}, "stop")),
        x_aimock_context="c",
        x_mock_namespace="n",
    )
    assert fixture["match"] == {
        "userMessage": {"regex": "^weather\\?\nnow\\Z"},
        "systemMessage": {"regex": r"^Be brief \(please\)\.\Z"},
        "model": "m",
        "turnIndex": 1,
        "hasToolResult": True,
        "toolCallId": "c1",
        "toolResultContains": "12 degrees",
        "responseFormat": "json_object",
        "context": "c",
        "namespace": "n",
    }


def test_a_request_has_one_name_streamed_or_not_and_others_have_others() -> None:
    shelf = Kept()
    documents = [
        chat_document("Größe, hi!", stream=True),
        chat_document("Größe, hi!"),
        chat_document("Größe, hi!", temperature=1),
    ]
    with raw_upstream(*stream_answer(told({"content": "a"}, "stop"))) as upstream:
        for document in documents:
            list(source(upstream, shelf).reply(asked(document)))
        list(source(upstream, shelf).reply(asked(documents[0], x_mock_namespace="n")))
    assert shelf.names[0] == shelf.names[1]
    assert len(set(shelf.names)) == 3
    assert {name.rpartition("-")[0] for name in shelf.names} == {"groe-hi"}


def test_completions_are_asked_one_prompt_at_a_time_and_without_their_echo() -> None:
    answer = {"id": "cmpl-x", "choices": [{"index": 0, "text": " b", "finish_reason": "length"}]}
    shelf = Kept()
    with raw_upstream(json_answer(answer)) as upstream:
        request = asked(
            {"model": "m", "prompt": ["a", "c"], "echo": True, "max_tokens": 1},
            completions.SURFACE,
        )
        events = [e for e in replies(source(upstream, shelf), request) if e != IDLE]
    assert [choice.text for choice in collect(events).choices] == [" b", " b"]
    assert [json.loads(body) for body in upstream.bodies] == [
        {"model": "m", "prompt": prompt, "max_tokens": 1} for prompt in ("a", "c")
    ]
    assert [fixture["match"]["userMessage"] for fixture in shelf.fixtures] == [
        {"regex": r"^a\Z"},
        {"regex": r"^c\Z"},
    ]


def test_what_has_no_text_is_passed_on_but_not_recorded() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    shelf = Kept()
    with raw_upstream(*stream_answer(told({"content": "a"}, "stop"))) as upstream:
        for message in (
            {"role": "user", "content": [image]},
            {"role": "system", "content": "Go on."},
        ):
            list(source(upstream, shelf).reply(asked({"model": "m", "messages": [message]})))
    assert len(upstream.bodies) == 2
    assert shelf.fixtures == []


def test_prompts_in_tokens_are_passed_on_but_not_recorded() -> None:
    answer = {"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]}
    shelf = Kept()
    with raw_upstream(json_answer(answer)) as upstream:
        request = asked({"model": "m", "prompt": [1, 2]}, completions.SURFACE)
        list(replies(source(upstream, shelf), request))
        several = asked({"model": "m", "prompt": [[1], [2]]}, completions.SURFACE)
        with pytest.raises(InvalidRequest, match="one by one"):
            list(replies(source(upstream, shelf), several))
    assert shelf.fixtures == []
    assert json.loads(upstream.bodies[0])["prompt"] == [1, 2]


def test_responses_are_recorded_too() -> None:
    response = {"id": "resp_up", "created_at": 5, "model": "gpt-5", "status": "in_progress"}
    item = {"type": "function_call", "id": "fc", "call_id": "call_1", "name": "f"}
    usage = {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 7,
    }
    events, fixture, _ = recorded(
        {"model": "gpt-5", "input": "hi", "stream": True},
        *stream_answer(
            {"type": "response.created", "response": response},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {
                "type": "response.function_call_arguments.delta",
                "output_index": 0,
                "delta": "{}",
                "obfuscation": "x",
            },
            {
                "type": "response.completed",
                "response": {**response, "status": "completed", "usage": usage},
            },
            done=False,
        ),
        surface=responses.SURFACE,
    )
    assert events == [
        Stamped("recorded", "resp_up", 5, "gpt-5", verbatim=True, limits={}),
        ToolCallDelta(0, "call_1", "f", ""),
        ToolCallDelta(0, None, None, "{}"),
        Finish("tool_calls", Usage(3, 4, 2, 1)),
    ]
    assert fixture["response"] == {
        "toolCalls": [{"name": "f", "arguments": "{}", "id": "call_1"}],
        "finishReason": "tool_calls",
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        "model": "gpt-5",
    }


COMPLETED = {
    "id": "resp_up",
    "created_at": 5,
    "model": "m",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "Fine."}]}],
}


def gone_on_from(signed: Stamped, **fields: Any) -> dict[str, Any]:
    """What the API is sent when a request goes on from a stored reply that was signed so."""
    call = ToolCall("call_1", "f", "{}")
    before = responses.parse(
        json.dumps(
            {"model": "m", "instructions": "Old.", "input": "What?", "tools": [TOOL_OF_RESPONSES]}
            | fields
        ).encode()
    )
    stored = Stored(
        id="resp_1",
        endpoint="responses",
        request=before,
        document={},
        reply=Reply((Choice(("Let me ",), tool_calls=(call,)),), Usage(0, 0), signed),
    )
    asked_now = responses.parse(
        json.dumps(
            {
                "model": "m",
                "instructions": "New.",
                "input": [OUTPUT],
                "previous_response_id": "resp_1",
            }
        ).encode()
    )
    with raw_upstream(json_answer(COMPLETED)) as upstream:
        list(source(upstream, Kept()).reply(responses.resumed(asked_now, {stored.id: stored}.get)))
    sent: dict[str, Any] = json.loads(upstream.bodies[0])
    return sent


TOOL_OF_RESPONSES = {"type": "function", "name": "f", "parameters": {}, "strict": False}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "42"}


@pytest.mark.parametrize(
    "signed", [Stamped("fixture"), Stamped("recorded"), Stamped("x", "resp_1")]
)
def test_a_reply_that_the_api_does_not_know_is_told_it(signed: Stamped) -> None:
    assert gone_on_from(signed) == {
        "model": "m",
        "instructions": "New.",
        "input": [
            {"role": "user", "content": "What?"},
            {"role": "assistant", "content": "Let me "},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            OUTPUT,
        ],
    }


def test_a_reply_of_the_api_is_gone_on_from_by_its_id() -> None:
    sent = gone_on_from(Stamped("recorded", "resp_1"))
    assert (sent["input"], sent["previous_response_id"]) == ([OUTPUT], "resp_1")


def test_attachments_that_were_not_kept_cannot_be_told() -> None:
    image = {"type": "input_image", "image_url": "data:,"}
    with pytest.raises(InvalidRequest, match="attachments") as refused:
        gone_on_from(Stamped(), input=[{"role": "user", "content": [image]}])
    assert refused.value.param == "previous_response_id"


def embedded(upstream: RawUpstream, shelf: Shelf, **fields: Any) -> Any:
    document = json.dumps({"model": "text-embedding-3-small", **fields}).encode()
    api = Upstream(upstream.origin, "", PATIENCE_SECONDS)
    call = Call(store=empty_store(), names={}, query={}, document=document)
    return RecordingEmbeddings(api, shelf)(call)


def test_embeddings_are_passed_on_as_they_are_and_recorded_by_input() -> None:
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 1, "embedding": packed([1.0, 0.0])},
            {"object": "embedding", "index": 0, "embedding": packed([0.5, -0.25])},
        ],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
        "extra": 1,
    }
    shelf = Kept()
    with raw_upstream(json_answer(answer)) as upstream:
        got = embedded(upstream, shelf, input=["a.b", "c"], encoding_format="base64")
    assert json.loads(got.body) == answer
    assert (got.usage, got.origin) == (Usage(2, 0), "recorded")
    assert shelf.fixtures == [
        {
            "match": {
                "endpoint": "embedding",
                "inputText": {"regex": rf"^{text}\Z"},
                "model": "text-embedding-3-small",
                "fingerprint": "4c420ee6f842",
            },
            "response": {"embedding": vector},
        }
        for text, vector in ((r"a\.b", [0.5, -0.25]), ("c", [1.0, 0.0]))
    ]
    assert upstream.request_lines() == ["POST /embeddings HTTP/1.1"]


def test_the_query_of_the_base_url_is_kept() -> None:
    with raw_upstream(*stream_answer(told({"content": "a"}, "stop"))) as upstream:
        api = Upstream(f"{upstream.origin}/openai/?api-version=1", "", PATIENCE_SECONDS)
        list(RecordingSource(api, Kept()).reply(asked(chat_document(stream=True))))
    assert upstream.request_lines() == ["POST /openai/chat/completions?api-version=1 HTTP/1.1"]


def test_a_file_reads_well_and_says_what_was_put_into_it(tmp_path: Path) -> None:
    shelf = Shelf(str(tmp_path / "new"))
    fixture = {"match": {}, "recordedTimings": {"intervalsMs": [1.5, 2.0], "chunkLengths": []}}
    before = set(threading.enumerate())
    shelf.put("a", fixture)
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_SECONDS)
    path = tmp_path / "new" / "recorded" / "a.json"
    assert path.read_text() == (
        "{\n"
        '  "fixtures": [\n'
        "    {\n"
        '      "match": {},\n'
        '      "recordedTimings": {\n'
        '        "intervalsMs": [1.5, 2.0],\n'
        '        "chunkLengths": []\n'
        "      }\n"
        "    }\n"
        "  ]\n"
        "}\n"
    )


def test_a_client_that_leaves_ends_the_question_and_is_not_recorded() -> None:
    shelf = Kept()
    with raw_upstream(
        CHUNKED_HEAD, chunk(event(json.dumps(told({"content": "one"})))), Act.AWAIT_CLOSE
    ) as upstream:
        events = source(upstream, shelf).reply(asked(chat_document(stream=True)))
        assert next_but(IDLE, events) == SIGNED
        events.close()
        assert upstream.left.wait(PATIENCE_SECONDS)
    assert shelf.fixtures == []
