"""OpenAI's own Python client and the Responses API, with strict validation on."""

import asyncio
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseFunctionToolCall

from tests.servers import Server
from tests.test_clients_openai import async_client_of
from tests.test_clients_openai_parsing import Review
from tests.test_clients_openai_tools import GetWeather, Search

MODEL = "gpt-4o"


TOOLS: Any = [openai.pydantic_function_tool(GetWeather), openai.pydantic_function_tool(Search)]
FLAT_TOOLS: Any = [{"type": "function", **tool["function"]} for tool in TOOLS]

EVENTS_OF_A_MESSAGE = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def kinds(events: list[Any]) -> list[str]:
    """The types of events, each told once where it comes several times in a row."""
    types = [event.type for event in events]
    return [one for number, one in enumerate(types) if types[number - 1 : number] != [one]]


def test_create_returns_a_completed_response(client: OpenAI) -> None:
    response = client.responses.create(
        model=MODEL,
        input="one two  three",
        instructions="Be brief.",
        metadata={"topic": "numbers"},
        temperature=0.5,
        max_output_tokens=100,
    )
    assert response.id.startswith("resp_")
    assert (response.status, response.output_text) == ("completed", "one two  three")
    assert (response.error, response.incomplete_details) == (None, None)
    assert (response.model, response.instructions) == (MODEL, "Be brief.")
    assert (response.metadata, response.temperature) == ({"topic": "numbers"}, 0.5)
    assert response.usage is not None
    assert response.usage.output_tokens == 4
    assert response.usage.total_tokens == response.usage.input_tokens + 4
    assert response._request_id is not None


def test_the_input_may_be_a_conversation_of_parts(client: OpenAI) -> None:
    response = client.responses.create(
        model=MODEL,
        input=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "before"},
            {"role": "assistant", "content": "an answer"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "behind"},
                    {
                        "type": "input_image",
                        "image_url": "data:image/png;base64,AA==",
                        "detail": "auto",
                    },
                ],
            },
        ],
    )
    assert response.output_text == "behind"


def test_the_events_of_a_stream_fold_to_the_response(client: OpenAI) -> None:
    with client.responses.create(model=MODEL, input="one two three", stream=True) as stream:
        events: list[Any] = list(stream)
    assert kinds(events) == EVENTS_OF_A_MESSAGE
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert [event.delta for event in deltas] == ["one ", "two ", "three"]
    assert len({event.item_id for event in deltas}) == 1
    last = events[-1].response
    assert (last.status, last.output_text) == ("completed", "one two three")
    assert last.usage.output_tokens == 4
    assert last.id == events[0].response.id
    assert events[0].response.status == "in_progress"


def test_the_stream_helper_ends_with_the_response(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="one two three") as stream:
        snapshots = [e.snapshot for e in stream if e.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert snapshots == ["one ", "one two ", "one two three"]
    assert response.output_text == "one two three"
    assert client.responses.retrieve(response.id).output_text == "one two three"


def test_parse_returns_an_instance_of_the_model(client: OpenAI) -> None:
    response = client.responses.parse(model=MODEL, input="Review this.", text_format=Review)
    assert isinstance(response.output_parsed, Review)
    assert response.output_parsed == Review.model_validate_json(response.output_text)


def test_the_stream_helper_parses_too(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="Review this.", text_format=Review) as stream:
        [done] = [event for event in stream if event.type == "response.output_text.done"]
        response = stream.get_final_response()
    assert isinstance(response.output_parsed, Review)
    assert done.parsed == response.output_parsed


def test_the_asynchronous_client_gets_the_same(server: Server) -> None:
    async def ask() -> tuple[Any, Any, Any, Any]:
        async with async_client_of(server) as client:
            whole = await client.responses.create(model=MODEL, input="one two")
            stream = await client.responses.create(model=MODEL, input="one two", stream=True)
            async with stream:
                events = [event async for event in stream]
            parsed = await client.responses.parse(model=MODEL, input="x", text_format=Review)
            async with client.responses.stream(
                model=MODEL, input="x", text_format=Review
            ) as helper:
                final = await helper.get_final_response()
            return whole, events, parsed, final

    whole, events, parsed, final = asyncio.run(ask())
    assert whole.output_text == events[-1].response.output_text == "one two"
    assert kinds(events) == EVENTS_OF_A_MESSAGE
    assert isinstance(parsed.output_parsed, Review)
    assert parsed.output_parsed == final.output_parsed


def test_a_tool_that_the_user_names_is_called_and_its_result_ends_the_loop(
    client: OpenAI,
) -> None:
    conversation: list[Any] = [{"role": "user", "content": "Ask GetWeather, please."}]
    first = client.responses.create(model=MODEL, input=conversation, tools=FLAT_TOOLS)
    [call] = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.name, call.status, call.call_id[:5]) == ("GetWeather", "completed", "call_")
    GetWeather.model_validate_json(call.arguments)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
    conversation += [*first.output, result]
    second = client.responses.create(model=MODEL, input=conversation, tools=FLAT_TOOLS)
    assert second.output_text == "Ask GetWeather, please."
    assert [item.type for item in second.output] == ["message"]


def test_the_result_of_a_tool_may_follow_a_stored_response(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="Ask GetWeather, please.", tools=FLAT_TOOLS)
    [call] = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    second = client.responses.create(
        model=MODEL,
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}],
        tools=FLAT_TOOLS,
    )
    assert second.output_text == "Ask GetWeather, please."


def test_the_arguments_of_required_calls_are_streamed_and_parsed(client: OpenAI) -> None:
    with client.responses.stream(
        model=MODEL, input="Use Search, then GetWeather.", tools=TOOLS, tool_choice="required"
    ) as stream:
        events: list[Any] = list(stream)
        response = stream.get_final_response()
    written: dict[int, str] = {}
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            written[event.output_index] = written.get(event.output_index, "") + event.delta
            assert event.snapshot == written[event.output_index]
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert {event.output_index: event.arguments for event in done} == written
    calls: list[Any] = list(response.output)
    assert [call.arguments for call in calls] == list(written.values())
    assert {type(call.parsed_arguments) for call in calls} == {GetWeather, Search}
    added = [event.item for event in events if event.type == "response.output_item.added"]
    assert [(item.name, item.arguments) for item in added] == [(one.name, "") for one in calls]


def test_a_tool_is_called_by_name(client: OpenAI) -> None:
    response = client.responses.parse(
        model=MODEL,
        input="Hello!",
        tools=TOOLS,
        tool_choice={"type": "function", "name": "Search"},
    )
    [call] = response.output
    assert call.type == "function_call"
    assert isinstance(call.parsed_arguments, Search)


def test_a_custom_tool_gets_text(client: OpenAI) -> None:
    tools: Any = [{"type": "custom", "name": "run_code"}]
    with client.responses.stream(model=MODEL, input="Please run_code.", tools=tools) as stream:
        events: list[Any] = list(stream)
        response = stream.get_final_response()
    deltas = [e.delta for e in events if e.type == "response.custom_tool_call_input.delta"]
    [done] = [e for e in events if e.type == "response.custom_tool_call_input.done"]
    [call] = response.output
    assert call.type == "custom_tool_call"
    assert (call.name, call.input) == ("run_code", done.input)
    assert "".join(deltas) == done.input != ""


def test_a_response_goes_on_from_an_earlier_one(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="My name is Ada.")
    second = client.responses.create(
        model=MODEL, input="Say it again.", previous_response_id=first.id
    )
    third = client.responses.create(
        model=MODEL, input="Say it again.", previous_response_id=second.id
    )
    alone = client.responses.create(model=MODEL, input="Say it again.")
    assert (second.previous_response_id, third.previous_response_id) == (first.id, second.id)
    tokens = [one.usage.input_tokens for one in (alone, second, third) if one.usage]
    assert tokens == sorted(set(tokens))  # every turn brings the ones before it


def test_an_earlier_response_that_is_not_there_is_told(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="x", previous_response_id="resp_none")
    assert (caught.value.param, caught.value.code) == (
        "previous_response_id",
        "previous_response_not_found",
    )


def test_a_response_is_kept_until_it_is_deleted(client: OpenAI) -> None:
    made = client.responses.create(model=MODEL, input="one two")
    assert client.responses.retrieve(made.id) == made
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(made.id)


def test_a_streamed_response_is_kept_too(client: OpenAI) -> None:
    with client.responses.create(model=MODEL, input="one two", stream=True) as stream:
        last: Any = list(stream)[-1]
    assert client.responses.retrieve(last.response.id) == last.response


def test_a_response_that_is_not_stored_is_not_kept(client: OpenAI) -> None:
    made = client.responses.create(model=MODEL, input="one two", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_the_input_items_of_a_response_are_listed(client: OpenAI) -> None:
    made = client.responses.create(
        model=MODEL,
        input=[
            {"role": "user", "content": "before"},
            {"role": "assistant", "content": "an answer"},
            {"role": "user", "content": "behind"},
        ],
    )
    items: list[Any] = list(client.responses.input_items.list(made.id, order="asc"))
    assert [(item.role, item.content[0].text) for item in items] == [
        ("user", "before"),
        ("assistant", "an answer"),
        ("user", "behind"),
    ]
    # The last one first, unless asked otherwise; and the client turns the pages.
    paged = list(client.responses.input_items.list(made.id, limit=1))
    assert [item.id for item in paged] == [item.id for item in reversed(items)]


def test_a_response_that_has_ended_cannot_be_cancelled(client: OpenAI) -> None:
    made = client.responses.create(model=MODEL, input="one two")
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)


def test_the_tokens_of_an_input_are_counted(client: OpenAI) -> None:
    counted = client.responses.input_tokens.count(model=MODEL, input="one two three")
    made = client.responses.create(model=MODEL, input="one two three")
    assert made.usage is not None
    assert counted.input_tokens == made.usage.input_tokens == 4


def test_an_answer_that_is_cut_is_incomplete(client: OpenAI) -> None:
    asked: Any = {"model": MODEL, "input": "word " * 20, "max_output_tokens": 16}
    made = client.responses.create(**asked)
    assert made.status == "incomplete"
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "max_output_tokens"
    assert made.usage is not None
    assert made.usage.output_tokens == 16
    assert made.output_text
    assert ("word " * 20).startswith(made.output_text)
    with client.responses.create(**asked, stream=True) as stream:
        last: Any = list(stream)[-1]
    assert (last.type, last.response.output_text) == ("response.incomplete", made.output_text)


def test_log_probabilities_come_when_they_are_included(client: OpenAI) -> None:
    made = client.responses.create(
        model=MODEL,
        input="one two three",
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    item: Any = made.output[0]
    logprobs = item.content[0].logprobs
    assert "".join(token.token for token in logprobs) == "one two three"
    assert [len(token.top_logprobs) for token in logprobs] == [2] * len(logprobs)


def test_a_wrong_parameter_is_a_bad_request_that_names_it(client: OpenAI) -> None:
    wrong: Any = "hot"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="x", temperature=wrong)
    assert (caught.value.param, caught.value.code) == ("temperature", "invalid_type")
