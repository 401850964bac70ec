"""Tokens are estimated from the length of the text."""

import pytest

from llm_proxy.errors import InternalError
from llm_proxy.reply import (
    ChatRequest,
    Finish,
    Message,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from llm_proxy.tokens import count_prompt, metered, tokens_of_length
from tests.builders import chat_request, stream_of


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_four_characters_are_a_token_rounded_up(characters: int, tokens: int) -> None:
    assert tokens_of_length(characters) == tokens


def test_every_message_counts() -> None:
    messages = (
        Message(role="system", text="1234"),
        Message(role="user", text="12345678"),
        Message(role="assistant", tool_calls=(ToolCall("call_1", "name", '{"a":1}x'),)),
        Message(role="tool", text="1234", tool_call_id="call_1"),
    )
    assert count_prompt(ChatRequest(model="m", messages=messages)) == 1 + 2 + 3 + 1


def test_lengths_are_added_before_they_are_rounded() -> None:
    messages = (Message(role="user", text="a"),) * 4
    assert count_prompt(ChatRequest(model="m", messages=messages)) == 1


def test_tool_definitions_count_as_their_compact_json() -> None:
    assert count_prompt(chat_request("", tools=({"a": "é"},))) == tokens_of_length(len('{"a":"é"}'))


def test_an_attachment_counts_as_an_image_at_low_detail() -> None:
    messages = (Message(role="user", text="1234", attachments=2),)
    assert count_prompt(ChatRequest(model="m", messages=messages)) == 1 + 2 * 85


def test_the_finish_tells_what_was_said_until_then() -> None:
    events = stream_of([TextDelta("12345"), ToolCallDelta(0, "call_1", "abc", "{}"), Finish()])
    assert list(metered(events, chat_request("12345678")))[-1] == Finish("stop", Usage(2, 3))


def test_a_source_that_knows_its_usage_is_believed() -> None:
    events = stream_of([TextDelta("12345"), Finish("length", Usage(7, 9))])
    assert list(metered(events, chat_request()))[-1] == Finish("length", Usage(7, 9))


def test_a_reply_without_a_finish_is_our_fault() -> None:
    with pytest.raises(InternalError, match="without a finish reason"):
        list(metered(stream_of([TextDelta("half")]), chat_request()))


def test_closing_the_metered_reply_closes_its_source() -> None:
    source = stream_of([TextDelta("a"), TextDelta("b")])
    reply = metered(source, chat_request())
    next(reply)
    reply.close()
    assert list(source) == []
