"""Chat completions as bytes: the chunks of a stream, and the one JSON document."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.chat_request import ToolCall
from llm_proxy.core.folding import collect
from llm_proxy.core.reply import (
    Annotations,
    Choice,
    Finish,
    ReasoningDelta,
    Reply,
    Said,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.errors import UpstreamError
from llm_proxy.openai_api.chat.answer import ChatEncoder, body
from llm_proxy.openai_api.surface import FINGERPRINT
from tests.builders import STAMP, USAGE, chat_request, documents

HEAD = {
    "id": "chatcmpl-aaaaaaaaaaaa",
    "object": "chat.completion.chunk",
    "created": 1_700_000_000,
    "model": "gpt-4o",
    "service_tier": "default",
    "system_fingerprint": FINGERPRINT,
}


def streamed(events: list[Said], **request: Any) -> list[Any]:
    encoder = ChatEncoder(chat_request(**request), STAMP)
    return documents(b"".join(map(encoder.encode, events)) + encoder.end())


def chunk(delta: dict[str, Any], reason: str | None = None, choice: int = 0) -> dict[str, Any]:
    choices = [{"index": choice, "delta": delta, "logprobs": None, "finish_reason": reason}]
    return {**HEAD, "choices": choices}


ROLE = {"role": "assistant", "content": ""}


def test_a_stream_is_role_words_finish_done() -> None:
    assert streamed([TextDelta("Hi "), TextDelta("there"), Finish("stop", Usage(1, 2))]) == [
        chunk(ROLE),
        chunk({"content": "Hi "}),
        chunk({"content": "there"}),
        chunk({}, "stop"),
        "[DONE]",
    ]


def test_an_empty_reply_still_has_a_role() -> None:
    assert streamed([Finish("stop", Usage(1, 0))]) == [chunk(ROLE), chunk({}, "stop"), "[DONE]"]


def test_usage_comes_last_when_asked_for_and_is_null_before() -> None:
    assert streamed([TextDelta("Hi"), Finish("stop", Usage(1, 2))], include_usage=True) == [
        {**chunk(ROLE), "usage": None},
        {**chunk({"content": "Hi"}), "usage": None},
        {**chunk({}, "stop"), "usage": None},
        {**HEAD, "choices": [], "usage": USAGE},
        "[DONE]",
    ]


def test_a_tool_call_has_its_id_and_name_in_the_first_fragment_only() -> None:
    events: list[Said] = [
        ToolCallDelta(0, "call_1", "search", ""),
        ToolCallDelta(0, arguments='{"q"'),
        Finish("tool_calls", Usage(1, 2)),
    ]
    first = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "search", "arguments": ""},
    }
    assert streamed(events) == [
        chunk(ROLE),
        chunk({"tool_calls": [first]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"q"'}}]}),
        chunk({}, "tool_calls"),
        "[DONE]",
    ]


def test_each_choice_has_its_role_and_its_finish() -> None:
    events: list[Said] = [
        TextDelta("a", choice=0),
        ReasoningDelta("b", choice=1),
        Finish("stop", choice=0),
        Finish("length", Usage(1, 2), choice=1),
    ]
    assert streamed(events) == [
        chunk(ROLE, choice=0),
        chunk({"content": "a"}, choice=0),
        chunk(ROLE, choice=1),
        chunk({"reasoning_content": "b"}, choice=1),
        chunk({}, "stop", choice=0),
        chunk({}, "length", choice=1),
        "[DONE]",
    ]


def test_citations_are_on_the_finish_chunk() -> None:
    events: list[Said] = [TextDelta("a"), Annotations(("1", "22")), Finish("stop", Usage(1, 2))]
    assert streamed(events)[2] == {**chunk({}, "stop"), "citations": ["1", "22"]}


def test_an_error_in_the_middle_is_one_event_in_the_error_shape() -> None:
    encoder = ChatEncoder(chat_request(), STAMP)
    assert documents(encoder.fail(UpstreamError("It broke off."))) == [
        {
            "error": {
                "message": "It broke off.",
                "type": "upstream_error",
                "param": None,
                "code": "upstream_failed",
            }
        }
    ]


def test_a_json_reply_has_every_key_that_the_api_requires() -> None:
    reply = Reply((Choice(("Hi",)),), Usage(1, 2))
    assert json.loads(body(reply, chat_request(), STAMP)) == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Hi",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }


def test_a_json_reply_with_tool_calls_has_no_content() -> None:
    calls = (ToolCall("call_1", "search", "{}"),)
    reply = Reply((Choice(tool_calls=calls, reasoning="hm", reason="tool_calls"),), Usage(1, 2))
    message = json.loads(body(reply, chat_request(), STAMP))["choices"][0]["message"]
    assert message == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "annotations": [],
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
        ],
    }


def test_a_json_reply_lists_its_citations() -> None:
    reply = Reply((Choice(("Hi",), citations=("1", "22")),), Usage(1, 2))
    assert json.loads(body(reply, chat_request(), STAMP))["citations"] == ["1", "22"]


@pytest.mark.parametrize("text", ["\u2028\u2029", "\x00", '"\\', "é😀", "data: [DONE]\n\n"])
def test_no_text_breaks_the_framing(text: str) -> None:
    assert streamed([TextDelta(text), Finish("stop", Usage(1, 2))])[1] == chunk({"content": text})


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8)


@given(texts, st.lists(st.text("0123456789", min_size=1), max_size=3, unique=True))
def test_the_stream_folded_is_the_json_reply(pieces: list[str], citations: list[str]) -> None:
    events: list[Said] = [TextDelta(piece) for piece in pieces]
    if citations:
        events.append(Annotations(tuple(citations)))
    events.append(Finish("stop", Usage(1, 2)))

    *chunks, usage, _ = streamed(events, include_usage=True)
    whole = json.loads(body(collect(events), chat_request(), STAMP))

    deltas = [c["choices"][0]["delta"] for c in chunks]
    message = whole["choices"][0]["message"]
    assert "".join(delta.get("content", "") for delta in deltas) == message["content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert chunks[-1].get("citations") == whole.get("citations")
    assert usage["usage"] == whole["usage"]
