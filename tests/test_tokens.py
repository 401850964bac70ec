"""Tokens are estimated from the length of the text."""

import pytest

from llm_proxy.core.chat_request import ChatRequest, Message, Tool, ToolCall
from llm_proxy.core.reply import Finish, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from llm_proxy.core.tokenizers import Characters
from llm_proxy.core.tokens import count_prompt, metered
from llm_proxy.errors import InternalError
from tests.builders import chat_request, stream_of

CHARACTERS = Characters()


@pytest.mark.parametrize(("characters", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (400, 100)])
def test_four_characters_are_a_token_rounded_up(characters: int, tokens: int) -> None:
    assert CHARACTERS.count(["x" * characters]) == tokens


def test_every_message_counts() -> None:
    messages = (
        Message(role="system", text="1234"),
        Message(role="user", text="12345678"),
        Message(role="assistant", tool_calls=(ToolCall("call_1", "name", '{"a":1}x'),)),
        Message(role="tool", text="1234", tool_call_id="call_1"),
    )
    assert count_prompt(ChatRequest(model="m", messages=messages), CHARACTERS) == 1 + 2 + 3 + 1


def test_lengths_are_added_before_they_are_rounded() -> None:
    messages = (Message(role="user", text="a"),) * 4
    assert count_prompt(ChatRequest(model="m", messages=messages), CHARACTERS) == 1


def test_tool_definitions_count_as_their_compact_json() -> None:
    request = chat_request("", tools=(Tool(name="a", definition={"a": "é"}),))
    assert count_prompt(request, CHARACTERS) == CHARACTERS.count(['[{"a":"é"}]'])


def test_numbers_count_as_the_tokens_that_they_are() -> None:
    messages = (Message(role="user", tokens=7),)
    assert count_prompt(ChatRequest(model="m", messages=messages), CHARACTERS) == 7


def test_an_attachment_counts_as_an_image_at_low_detail() -> None:
    messages = (Message(role="user", text="1234", attachments=2),)
    assert count_prompt(ChatRequest(model="m", messages=messages), CHARACTERS) == 1 + 2 * 85


def test_the_finish_tells_what_was_said_until_then() -> None:
    events = stream_of([TextDelta("12345"), ToolCallDelta(0, "call_1", "abc", "{}"), Finish()])
    assert list(metered(events, 2, CHARACTERS))[-1] == Finish("stop", Usage(2, 3))


def test_what_was_thought_aloud_counts_and_is_told_apart() -> None:
    events = stream_of([ReasoningDelta("12345678"), TextDelta("1234"), Finish()])
    assert list(metered(events, 1, CHARACTERS))[-1] == Finish("stop", Usage(1, 3, 2))


def test_a_source_that_knows_its_usage_is_believed() -> None:
    events = stream_of([TextDelta("12345"), Finish("length", Usage(7, 9))])
    assert list(metered(events, 1, CHARACTERS))[-1] == Finish("length", Usage(7, 9))


def test_a_reply_without_a_finish_is_our_fault() -> None:
    with pytest.raises(InternalError, match="without a finish reason"):
        list(metered(stream_of([TextDelta("half")]), 1, CHARACTERS))


def test_closing_the_metered_reply_closes_its_source() -> None:
    source = stream_of([TextDelta("a"), TextDelta("b")])
    reply = metered(source, 1, CHARACTERS)
    next(reply)
    reply.close()
    assert list(source) == []


def test_each_choice_is_counted_by_itself_and_added_to_those_before() -> None:
    events = stream_of([TextDelta("1", 0), TextDelta("12345", 1), Finish(), Finish(choice=1)])
    finishes = list(metered(events, 1, CHARACTERS))[2:]
    assert finishes == [Finish("stop", Usage(1, 1)), Finish("stop", Usage(1, 3), 1)]
