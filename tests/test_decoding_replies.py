"""Replies read back: what an encoder wrote, its decoder tells as it was said."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_proxy.core.folding import collect
from llm_proxy.core.reply import (
    Annotations,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Said,
    Stamped,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.errors import PassedOn, ScriptedError
from llm_proxy.openai_api import completions, embeddings, fim, sse
from llm_proxy.openai_api.chat import answer as chat
from llm_proxy.openai_api.chat.decode import ChatDecoder
from llm_proxy.openai_api.completions_decode import CompletionDecoder
from llm_proxy.openai_api.decoder import Decoded, Decoder, Misunderstood
from llm_proxy.openai_api.responses import request as responses
from llm_proxy.openai_api.responses.decode import ResponsesDecoder
from llm_proxy.openai_api.surface import FINGERPRINT, Surface
from tests.builders import STAMP, chat_request

USAGE = Usage(7, 11, 5, 3)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
reasons: st.SearchStrategy[FinishReason] = st.sampled_from(["stop", "length", "content_filter"])


def calls(choice: int) -> st.SearchStrategy[list[Said]]:
    def told(pieces: list[tuple[str, list[str]]]) -> list[Said]:
        events: list[Said] = []
        for index, (name, arguments) in enumerate(pieces):
            events.append(ToolCallDelta(index, f"call_{index}", name, "", choice))
            events += [ToolCallDelta(index, None, None, one, choice) for one in arguments]
        return events

    return st.lists(st.tuples(texts, st.lists(texts, max_size=3)), max_size=2).map(told)


@st.composite
def choices(draw: st.DrawFn, spoken: Sequence[type[Any]], tools: bool, most: int) -> list[Said]:
    """The events of some choices, each begun and ended, then their ends."""
    said: list[Said] = []
    ends: list[Said] = []
    for choice in range(draw(st.integers(1, most))):
        kinds = draw(st.lists(st.sampled_from(spoken), max_size=5))
        said += [kind(draw(texts), choice) for kind in kinds]
        called = draw(calls(choice)) if tools else []
        said += called
        reason: FinishReason = draw(reasons)
        if reason == "stop" and called:
            reason = "tool_calls"
        if cited := draw(st.lists(texts, max_size=2, unique=True)):
            ends.append(Annotations(tuple(cited), choice))
        ends.append(Finish(reason, USAGE, choice))
    return said + ends


def stamped(name: str, fingerprint: str | None = None, tier: str | None = None) -> Stamped:
    return Stamped("", name, STAMP.created, "gpt-4o", fingerprint, service_tier=tier)


CHAT = (chat.SURFACE, ChatDecoder, stamped("chatcmpl-aaaaaaaaaaaa", FINGERPRINT, "default"))
COMPLETIONS = (completions.SURFACE, CompletionDecoder, stamped("cmpl-aaaaaaaaaaaa", FINGERPRINT))
FIM = (fim.SURFACE, ChatDecoder, stamped("cmpl-aaaaaaaaaaaa"))
RESPONSES = (responses.SURFACE, ResponsesDecoder, stamped("resp_aaaaaaaaaaaa", None, "default"))

ALL_SPOKEN = (TextDelta, ReasoningDelta, RefusalDelta)
EVENTS: Mapping[
    str, tuple[Surface, Callable[[], Decoder], Stamped, st.SearchStrategy[list[Said]]]
] = {
    "chat": (*CHAT, choices(ALL_SPOKEN, tools=True, most=3)),
    "completions": (*COMPLETIONS, choices((TextDelta,), tools=False, most=3)),
    "fim": (*FIM, choices((TextDelta,), tools=False, most=1)),
    "responses": (*RESPONSES, choices(ALL_SPOKEN, tools=True, most=1)),
}


def streamed(surface: Surface, events: Sequence[Said]) -> bytes:
    encoder = surface.encoder(chat_request(include_usage=True), STAMP)
    return b"".join(map(encoder.encode, events)) + encoder.end()


def read(stream: bytes, decoder: Decoder, size: int = 1 << 20) -> list[Decoded]:
    """What a decoder makes of a stream that comes in pieces of this size."""
    payloads = sse.Payloads(1 << 20)
    told: list[Decoded] = []
    for start in range(0, len(stream), size):
        for payload in payloads.feed(stream[start : start + size]):
            told += decoder.feed(payload)
    if not decoder.over:
        told += decoder.end()
    return told


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data(), size=st.integers(1, 200))
def test_a_stream_is_read_back_as_it_was_said(name: str, data: st.DataObject, size: int) -> None:
    surface, decoder, signed, strategy = EVENTS[name]
    events = data.draw(strategy)
    assert read(streamed(surface, events), decoder(), size) == [signed, *events]


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data())
def test_a_document_is_read_back_as_the_reply_that_it_is(name: str, data: st.DataObject) -> None:
    """Citations stand for all choices at once in a document, so there is one choice here."""
    surface, decoder, signed, strategy = EVENTS[name]
    events = data.draw(strategy.filter(lambda events: not any(one.choice for one in events)))
    reply = collect(events)
    told = decoder().whole(surface.body(reply, chat_request(), STAMP))
    again = collect(told)
    assert told[0] == signed
    assert again.usage == reply.usage
    assert joined(again.choices[0]) == joined(reply.choices[0])


def joined(choice: Any) -> Any:
    """A choice whose text is in one piece, as in a document."""
    return replace(choice, pieces=(choice.text,) if choice.text else ())


def chunk(delta: dict[str, Any], **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": fields.pop("reason", None)}
    return sse.data(json.dumps({"id": "x", "choices": [choice], **fields}).encode())


def test_what_other_servers_add_or_leave_out_is_no_matter() -> None:
    """Azure's empty first chunk, nulls, `reasoning`, obfuscation, calls without a number, an
    id on every piece, no usage, no `[DONE]`.
    """
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{"}}
    more = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "}"}}
    other = {"id": "call_2", "function": {"name": "g", "arguments": None}}
    stream = (
        b'data: {"id": "", "created": 0, "model": "", "choices": [], "prompt_filter": 1}\n\n'
        + chunk({"role": "assistant", "content": None, "tool_calls": None}, obfuscation="aaa")
        + chunk({"reasoning": "hm"}, model="m", service_tier=None, created=1.5)
        + chunk({"tool_calls": [{"index": 0, **call}]})
        + chunk({"tool_calls": [{"index": 0, **more}]})
        + chunk({"tool_calls": [other]}, usage=None)
        + chunk({"content": ""}, reason="eos")
    )
    assert read(stream, ChatDecoder()) == [
        Stamped("", "x", 1, "m"),
        ReasoningDelta("hm"),
        ToolCallDelta(0, "call_1", "f", "{"),
        ToolCallDelta(0, None, None, "}"),
        ToolCallDelta(1, "call_2", "g", ""),
        Finish("stop"),
    ]


def test_the_older_form_of_a_call_is_a_call() -> None:
    stream = (
        chunk({"function_call": {"name": "f", "arguments": ""}})
        + chunk({"function_call": {"arguments": "{}"}}, reason="function_call")
        + sse.DONE
    )
    assert read(stream, ChatDecoder())[1:] == [
        ToolCallDelta(0, "", "f", ""),
        ToolCallDelta(0, None, None, "{}"),
        Finish("tool_calls"),
    ]


def test_the_call_of_a_custom_tool_is_read_from_a_document() -> None:
    custom = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "free"}}
    message = {"role": "assistant", "content": None, "tool_calls": [custom]}
    document = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    assert ChatDecoder().whole(json.dumps(document).encode())[1:] == [
        ToolCallDelta(0, "c", "f", "free"),
        Finish("tool_calls"),
    ]


def response_event(name: str, **fields: Any) -> bytes:
    return sse.data(json.dumps({"type": name, **fields}).encode())


def test_what_openai_runs_itself_is_passed_over() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "content": 5}
    response = {"id": "resp_1", "created_at": 5.0, "model": "m", "error": None}
    stream = (
        response_event("response.created", response={**response, "status": "in_progress"})
        + response_event("response.output_item.added", output_index=0, item=search)
        + response_event("response.image_generation_call.partial_image", delta={"a": 1})
        + response_event(
            "response.reasoning_summary_text.delta", output_index=1, summary_index=0, delta="a"
        )
        + response_event(
            "response.reasoning_summary_text.delta", output_index=1, summary_index=1, delta="b"
        )
        + response_event("response.output_text.delta", output_index=2, delta="c", obfuscation="x")
        + response_event("response.completed", response={**response, "status": "completed"})
    )
    assert read(stream, ResponsesDecoder()) == [
        Stamped("", "resp_1", 5, "m"),
        ReasoningDelta("a"),
        ReasoningDelta("\n\n"),
        ReasoningDelta("b"),
        TextDelta("c"),
        Finish("stop"),
    ]


def test_a_response_that_comes_at_once_is_read_from_its_last_event() -> None:
    message = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    response = {"id": "resp_1", "status": "completed", "output": [message]}
    stream = response_event("response.completed", response=response)
    assert read(stream, ResponsesDecoder()) == [
        Stamped("", "resp_1"),
        TextDelta("Hi"),
        Finish("stop"),
    ]


BROKEN: Mapping[str, tuple[Callable[[], Decoder], bytes]] = {
    "no JSON": (ChatDecoder, b"data: {\n\n"),
    "no object": (ChatDecoder, b"data: 5\n\n"),
    "another type": (ChatDecoder, b'data: {"choices": 5}\n\n'),
    "no UTF-8": (ChatDecoder, b'data: {"id": "\xff"}\n\n'),
    "nothing": (ChatDecoder, b""),
    "no finish reason": (ChatDecoder, chunk({"content": "a"})),
    "no finish reason, but done": (ChatDecoder, chunk({"content": "a"}) + sse.DONE),
    "nothing but done": (CompletionDecoder, sse.DONE),
    "a response without an end": (ResponsesDecoder, response_event("response.created")),
    "a response under way": (
        ResponsesDecoder,
        response_event("response.completed", response={"status": "queued"}),
    ),
}


@pytest.mark.parametrize(("decoder", "stream"), BROKEN.values(), ids=BROKEN)
def test_a_reply_that_broke_off_is_none(decoder: Callable[[], Decoder], stream: bytes) -> None:
    with pytest.raises(Misunderstood):
        read(stream, decoder())


TOLD = {"message": "m", "type": "t", "code": "c", "param": "p"}
ERRORS: Mapping[str, tuple[Callable[[], Decoder], bytes]] = {
    "chat": (ChatDecoder, sse.data(json.dumps({"error": TOLD}).encode())),
    "responses": (ResponsesDecoder, response_event("error", error=TOLD)),
}


@pytest.mark.parametrize(("decoder", "stream"), ERRORS.values(), ids=ERRORS)
def test_an_error_in_a_stream_is_passed_on(decoder: Callable[[], Decoder], stream: bytes) -> None:
    with pytest.raises(PassedOn) as told:
        read(stream, decoder())
    error = told.value
    assert (error.message, error.type, error.code, error.param) == ("m", "t", "c", "p")
    assert error.status == 502


def test_our_own_errors_are_read_back() -> None:
    told = ScriptedError("m", status=500, type="t", code="c", param="p")
    for surface, decoder, *_ in EVENTS.values():
        encoder = surface.encoder(chat_request(), STAMP)
        stream = encoder.encode(TextDelta("a")) + encoder.fail(told)
        with pytest.raises(PassedOn) as raised:
            read(stream, decoder())
        error = raised.value
        assert (error.message, error.type, error.code, error.param) == ("m", "t", "c", "p")


def test_the_flat_errors_of_a_response_are_passed_on_too() -> None:
    for stream in (
        response_event("error", message="m", code="c", param=None),
        response_event(
            "response.failed",
            response={"status": "failed", "error": {"message": "m", "code": "c"}},
        ),
    ):
        with pytest.raises(PassedOn, match="m") as told:
            read(stream, ResponsesDecoder())
        assert told.value.code == "c"


def test_a_stream_may_be_written_in_any_way_that_the_standard_allows() -> None:
    stream = b"\xef\xbb\xbf: hi\r\nid: 1\rdata: a\r\ndata:b\r\n\r\nevent: x\n\ndata\n\ndata: c"
    for size in (1, 2, 3, len(stream)):
        payloads = sse.Payloads(100)
        told: list[bytes] = []
        for start in range(0, len(stream), size):
            told += payloads.feed(stream[start : start + size])
        assert [*told, *payloads.end()] == [b"a\nb", b"", b"c"]


def test_an_event_beyond_the_limit_is_refused() -> None:
    for stream in (b"data: 123456", b"data: 123\ndata: 456\n"):
        with pytest.raises(sse.EventTooLarge):
            list(sse.Payloads(5).feed(stream))


@pytest.mark.parametrize("base64", [False, True])
def test_vectors_are_read_back_however_they_were_written(base64: bool) -> None:
    request = embeddings.EmbeddingRequest("m", ("a", "b"), 2, base64)
    sent = [[0.5, -0.25], [1.0, 0.0]]
    document = embeddings.body(sent, request, Usage(4, 0))
    assert embeddings.vectors(document) == (sent, Usage(4, 0))


@pytest.mark.parametrize(
    "data", ["[]x", '[{"index": 1, "embedding": [1]}]', '[{"index": 0, "embedding": "a"}]', "5"]
)
def test_what_is_no_list_of_vectors_is_refused(data: str) -> None:
    with pytest.raises(Misunderstood):
        embeddings.vectors(f'{{"data": {data}}}'.encode())
