"""Responses as bytes: the events of a stream."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.folding import collect
from llm_proxy.core.reply import (
    Annotations,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Said,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.errors import UpstreamError
from llm_proxy.openai_api.responses.request import SURFACE, parse
from tests.builders import STAMP

AN_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
FUNCTION = {"type": "function", "name": "search", "parameters": {}, "strict": True}
CUSTOM = {"type": "custom", "name": "grep"}
LOGPROBS = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
DONE = Finish("stop", Usage(1, 2))


def request(**fields: Any) -> ChatRequest:
    document = {"model": "gpt-4o", "input": "hi", "tools": [FUNCTION, CUSTOM], **fields}
    return parse(json.dumps(document).encode())


def documents(stream: bytes) -> list[dict[str, Any]]:
    """The payloads of a stream; checks the framing, the numbers and the shape of each."""
    events = stream.decode().split("\n\n")
    assert events.pop() == "", "a stream ends with a blank line"
    payloads = []
    for number, event in enumerate(events):
        name, data = event.split("\n")
        payload = json.loads(data.removeprefix("data: "))
        AN_EVENT.validate_python(payload)
        assert name == f"event: {payload['type']}"
        assert payload.pop("sequence_number") == number
        payloads.append(payload)
    return payloads


def streamed(events: Iterable[Said], **fields: Any) -> list[dict[str, Any]]:
    encoder = SURFACE.encoder(request(**fields), STAMP)
    return documents(b"".join(map(encoder.encode, events)) + encoder.end())


def whole(events: Iterable[Said], **fields: Any) -> dict[str, Any]:
    """The JSON answer for the same events."""
    body: dict[str, Any] = json.loads(SURFACE.body(collect(events), request(**fields), STAMP))
    return body


def between(events: Iterable[Said], **fields: Any) -> list[dict[str, Any]]:
    """What a stream says of its output, between its first two events and its last one."""
    created, in_progress, *said, last = streamed(events, **fields)
    assert [created.pop("type"), in_progress.pop("type")] == [
        "response.created",
        "response.in_progress",
    ]
    assert created == in_progress
    assert created["response"]["output"] == []
    assert last["type"] == f"response.{last['response']['status']}"
    return said


def added(index: int, **item: Any) -> dict[str, Any]:
    item = {"status": "in_progress", **item}
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, **item: Any) -> dict[str, Any]:
    item = {"status": "completed", **item}
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def at(name: str, item: dict[str, Any], index: int, /, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{name}", "item_id": item["id"], "output_index": index, **fields}


def message(index: int, *content: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "message",
        "id": f"msg_{STAMP.id}{index}",
        "role": "assistant",
        "content": list(content),
    }


def text(said: str) -> dict[str, Any]:
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}


def refusal(said: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": said}


def summary(said: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": said}


def function(index: int, arguments: str) -> dict[str, Any]:
    call = {"type": "function_call", "id": f"fc_{STAMP.id}{index}", "arguments": arguments}
    return {**call, "call_id": "call_1", "name": "search"}


def spoken(index: int, *pieces: str, status: str = "completed") -> list[dict[str, Any]]:
    """The events of a message with one text."""
    item, whole = message(index), "".join(pieces)
    part = {"content_index": 0}
    return [
        added(index, **item),
        at("content_part.added", item, index, **part, part=text("")),
        *(
            at("output_text.delta", item, index, **part, delta=piece, logprobs=[])
            for piece in pieces
        ),
        at("output_text.done", item, index, **part, text=whole, logprobs=[]),
        at("content_part.done", item, index, **part, part=text(whole)),
        done(index, **message(index, text(whole)), status=status),
    ]


def called(index: int, *pieces: str) -> list[dict[str, Any]]:
    """The events of a call of a function."""
    item, whole = function(index, ""), "".join(pieces)
    return [
        added(index, **item),
        *(at("function_call_arguments.delta", item, index, delta=piece) for piece in pieces),
        at("function_call_arguments.done", item, index, name="search", arguments=whole),
        done(index, **function(index, whole)),
    ]


def test_a_text_is_said_word_by_word() -> None:
    assert between([TextDelta("Hi "), TextDelta("there"), DONE]) == spoken(0, "Hi ", "there")


def test_an_empty_reply_has_a_message_without_text() -> None:
    assert between([TextDelta(""), DONE]) == spoken(0)


def test_a_text_that_ran_out_of_tokens_is_incomplete() -> None:
    events: list[Said] = [TextDelta("Hi"), Finish("length", Usage(1, 2))]
    assert between(events) == spoken(0, "Hi", status="incomplete")
    last = streamed(events)[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_refusal_is_a_part_of_a_message() -> None:
    item, part = message(0), {"content_index": 0}
    assert between([RefusalDelta("I "), RefusalDelta("won't"), DONE]) == [
        added(0, **item),
        at("content_part.added", item, 0, **part, part=refusal("")),
        at("refusal.delta", item, 0, **part, delta="I "),
        at("refusal.delta", item, 0, **part, delta="won't"),
        at("refusal.done", item, 0, **part, refusal="I won't"),
        at("content_part.done", item, 0, **part, part=refusal("I won't")),
        done(0, **message(0, refusal("I won't"))),
    ]


def test_reasoning_is_an_item_with_a_summary() -> None:
    item: dict[str, Any] = {"type": "reasoning", "id": f"rs_{STAMP.id}0", "summary": []}
    part = {"summary_index": 0}
    assert between([ReasoningDelta("hm"), TextDelta("Hi"), DONE]) == [
        added(0, **item),
        at("reasoning_summary_part.added", item, 0, **part, part=summary("")),
        at("reasoning_summary_text.delta", item, 0, **part, delta="hm"),
        at("reasoning_summary_text.done", item, 0, **part, text="hm"),
        at("reasoning_summary_part.done", item, 0, **part, part=summary("hm")),
        done(0, **{**item, "summary": [summary("hm")]}),
        *spoken(1, "Hi"),
    ]


def test_a_message_is_done_before_a_call_and_a_call_before_the_next() -> None:
    events: list[Said] = [
        TextDelta("Let me look."),
        ToolCallDelta(0, "call_1", "search", ""),
        ToolCallDelta(0, arguments='{"q"'),
        ToolCallDelta(0, arguments=":1}"),
        ToolCallDelta(1, "call_1", "search", "{}"),
        Finish("tool_calls", Usage(1, 2)),
    ]
    assert between(events) == [
        *spoken(0, "Let me look."),
        *called(1, '{"q"', ":1}"),
        *called(2, "{}"),
    ]


def test_a_custom_tool_is_called_with_free_text() -> None:
    item = {"type": "custom_tool_call", "id": f"ctc_{STAMP.id}0", "call_id": "c", "name": "grep"}
    events: list[Said] = [
        ToolCallDelta(0, "c", "grep", "a"),
        ToolCallDelta(0, arguments="b"),
        DONE,
    ]
    assert between(events) == [
        added(0, **item, input=""),
        at("custom_tool_call_input.delta", item, 0, delta="a"),
        at("custom_tool_call_input.delta", item, 0, delta="b"),
        at("custom_tool_call_input.done", item, 0, input="ab"),
        done(0, **item, input="ab"),
    ]


def test_calls_whose_pieces_are_mixed_stay_open() -> None:
    events: list[Said] = [
        ToolCallDelta(0, "call_1", "search", '{"q"'),
        ToolCallDelta(1, "call_1", "search", "{}"),
        ToolCallDelta(0, arguments=":1}"),
        DONE,
    ]
    names = [(said["type"].split(".")[-1], said["output_index"]) for said in between(events)]
    ends = [("done", 0), ("done", 0), ("done", 1), ("done", 1)]
    assert names == [("added", 0), ("delta", 0), ("added", 1), ("delta", 1), ("delta", 0), *ends]


def test_white_space_behind_finished_arguments_is_kept() -> None:
    events: list[Said] = [
        ToolCallDelta(0, "call_1", "search", "{}"),
        ToolCallDelta(1, "call_2", "search", "{}"),
        ToolCallDelta(0, arguments="\n"),
        DONE,
    ]
    assert streamed(events)[-1]["response"] == whole(events)


def test_text_after_a_call_is_a_message_of_its_own() -> None:
    events: list[Said] = [
        TextDelta("one"),
        ToolCallDelta(0, "call_1", "search", "{}"),
        TextDelta("two"),
        DONE,
    ]
    assert between(events) == [*spoken(0, "one"), *called(1, "{}"), *spoken(2, "two")]


def test_log_probabilities_come_with_each_piece_and_with_the_whole() -> None:
    said = between([TextDelta("a"), TextDelta(""), TextDelta("b"), DONE], **LOGPROBS)
    first, second = (one["logprobs"] for one in said if one["type"].endswith("text.delta"))
    assert [entry["token"] for entry in first + second] == ["a", "b"]
    assert len(first[0]["top_logprobs"]) == 1
    assert [one["logprobs"] for one in said if one["type"].endswith("text.done")] == [
        first + second
    ]


def test_an_error_in_the_middle_is_an_error_event_and_a_failed_response() -> None:
    """The SDKs raise where an event has an `error`; others wait for `response.failed`."""
    encoder = SURFACE.encoder(request(), STAMP)
    stream = encoder.encode(TextDelta("Half")) + encoder.fail(UpstreamError("It broke off."))
    *_, error, failed = documents(stream)
    shape = {"message": "It broke off.", "code": "upstream_failed", "param": None}
    nested = {"type": "upstream_error", **shape}
    assert error == {"type": "error", **shape, "error": nested}
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": "It broke off."}


def test_the_last_event_waits_for_the_end() -> None:
    """By then the response is stored, so that a client can go on from it at once."""
    encoder = SURFACE.encoder(request(), STAMP)
    assert b"response.completed" not in encoder.encode(TextDelta("Hi")) + encoder.encode(DONE)
    assert encoder.end().startswith(b"event: response.completed\n")


@pytest.mark.parametrize("said", ["\u2028\u2029", "\x00", '"\\', "é😀", "data: [DONE]\n\n", "%d%%"])
def test_no_text_breaks_the_framing(said: str) -> None:
    assert between([TextDelta(said), DONE]) == spoken(0, said)


said = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
pieces = st.lists(said, max_size=4)
reasons: st.SearchStrategy[FinishReason] = st.sampled_from(
    ["stop", "length", "tool_calls", "content_filter"]
)
fields = st.sampled_from([{}, LOGPROBS, {"temperature": 0.5, "metadata": {"a": "b"}}])


arguments = st.sampled_from(["", "{}", '{"q"', ":1}", " ", "x"])


@st.composite
def calls(draw: st.DrawFn, mixed: bool) -> list[Said]:
    """Up to three calls that begin in their order; of one that is not the last more may come."""
    names = draw(st.lists(st.sampled_from(["search", "grep"]), max_size=3))
    said: list[Said] = []
    for index, name in enumerate(names):
        said.append(ToolCallDelta(index, f"call_{index}", name, draw(arguments)))
        for piece in draw(st.lists(arguments, max_size=3)):
            going_on = draw(st.integers(0, index)) if mixed else index
            said.append(ToolCallDelta(going_on, arguments=piece))
    return said


@st.composite
def replies(draw: st.DrawFn, mixed: bool) -> list[Said]:
    """Reasoning, text, refusal, calls: a reply in the order in which models make them."""
    events: list[Said] = [ReasoningDelta(piece) for piece in draw(pieces)]
    events += [TextDelta(piece) for piece in draw(pieces)]
    events += [RefusalDelta(piece) for piece in draw(pieces)]
    events += draw(calls(mixed))
    if citations := draw(st.lists(st.text("0123456789", min_size=1), max_size=3, unique=True)):
        events.insert(draw(st.integers(0, len(events))), Annotations(tuple(citations)))
    return [*events, Finish(draw(reasons), Usage(3, 4, 2, 1))]


@settings(deadline=None)
@given(replies(mixed=True), fields)
def test_the_last_event_of_a_stream_holds_the_json_reply(
    events: list[Said], fields: dict[str, Any]
) -> None:
    answer = whole(events, **fields)
    Response.model_validate(answer)
    assert streamed(events, **fields)[-1]["response"] == answer


@settings(deadline=None)
@given(replies(mixed=False), fields)
def test_the_pieces_of_a_stream_make_up_its_output(
    events: list[Said], fields: dict[str, Any]
) -> None:
    *said, last = streamed(events, **fields)
    assert folded(said) == said_of(last["response"]["output"])


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(*(st.builds(kind, said) for kind in (TextDelta, ReasoningDelta, RefusalDelta))),
        max_size=9,
    )
)
def test_in_whatever_order_nothing_is_lost(events: list[Said]) -> None:
    output = streamed([*events, DONE])[-1]["response"]["output"]
    choice = collect([*events, DONE]).choices[0]
    parts = [part for item in output for part in item.get("content", item.get("summary"))]
    texts = [(part["type"], part.get("text", part.get("refusal"))) for part in parts]
    assert "".join(said for kind, said in texts if kind == "output_text") == choice.text
    assert "".join(said for kind, said in texts if kind == "refusal") == choice.refusal
    assert "".join(said for kind, said in texts if kind == "summary_text") == choice.reasoning


def folded(said: list[dict[str, Any]]) -> list[list[Any]]:
    """The texts of each item, put together from the deltas as a client would."""
    items: list[list[Any]] = []
    for event in said:
        name = event["type"].removeprefix("response.")
        if name == "output_item.added":
            assert event["output_index"] == len(items)
            items.append([] if "content" in event["item"] or "summary" in event["item"] else [""])
        elif name in ("content_part.added", "reasoning_summary_part.added"):
            items[event["output_index"]].append("")
        elif name.endswith(".delta"):
            index = event.get("content_index", event.get("summary_index", 0))
            items[event["output_index"]][index] += event["delta"]
    return items


def said_of(output: list[dict[str, Any]]) -> list[list[Any]]:
    """The texts of each finished item."""
    texts = []
    for item in output:
        if (parts := item.get("content", item.get("summary"))) is None:
            texts.append([item.get("arguments", item.get("input"))])
        else:
            texts.append([part.get("text", part.get("refusal")) for part in parts])
    return texts
