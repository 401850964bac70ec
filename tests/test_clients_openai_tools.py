"""OpenAI's own Python client and tools, with strict validation on."""

import asyncio
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

from tests.sdk import user
from tests.servers import Server
from tests.test_clients_openai import async_client_of

MODEL = "gpt-4o"
HOW = ["whole", "streamed"]


class GetWeather(BaseModel):
    """The weather of the next days."""

    city: str
    days: int = Field(ge=1, le=14)
    unit: Literal["celsius", "fahrenheit"]


class Search(BaseModel):
    query: str
    tags: list[str]


WEATHER = openai.pydantic_function_tool(GetWeather)
SEARCH = openai.pydantic_function_tool(Search, name="search")
FORCED: Any = {"type": "function", "function": {"name": "GetWeather"}}
FUNCTION: Any = {"name": "get_weather", "parameters": GetWeather.model_json_schema()}


def test_a_tool_that_the_user_names_is_called_and_its_result_ends_the_loop(client: OpenAI) -> None:
    messages: list[Any] = [user("What does GetWeather say about Lima?")]
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    [choice] = first.choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls is not None
    [call] = choice.message.tool_calls
    assert call.type == "function"
    assert (call.id[:5], call.function.name) == ("call_", "GetWeather")
    GetWeather.model_validate_json(call.function.arguments)

    result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
    messages += [choice.message, result]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    [choice] = second.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content == "What does GetWeather say about Lima?"
    assert choice.message.tool_calls is None


def test_the_asynchronous_client_goes_through_the_same_loop_in_streams(server: Server) -> None:
    async def loop() -> tuple[Any, Any]:
        async with async_client_of(server) as client:
            messages: list[Any] = [user("Ask GetWeather, please.")]
            asked: Any = {"model": MODEL, "messages": messages, "tools": [WEATHER]}
            async with client.chat.completions.stream(**asked) as stream:
                called = (await stream.get_final_completion()).choices[0].message
            [call] = called.tool_calls or []
            result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
            messages += [called, result]
            async with client.chat.completions.stream(**asked) as stream:
                return call, (await stream.get_final_completion()).choices[0]

    call, last = asyncio.run(loop())
    assert isinstance(call.function.parsed_arguments, GetWeather)
    assert (last.finish_reason, last.message.content) == ("stop", "Ask GetWeather, please.")


def test_tools_that_nobody_names_are_not_called(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model=MODEL, messages=[user("Hello!")], tools=[WEATHER, SEARCH]
    )
    assert completion.choices[0].message.content == "Hello!"
    assert completion.choices[0].finish_reason == "stop"


def test_no_tool_is_called_where_none_is_allowed(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model=MODEL, messages=[user("GetWeather!")], tools=[WEATHER], tool_choice="none"
    )
    assert completion.choices[0].message.content == "GetWeather!"


@pytest.mark.parametrize(
    ("tool_choice", "name"),
    [("required", "search"), (FORCED, "GetWeather")],
    ids=["required", "named"],
)
def test_a_call_that_is_required_is_made_and_parsed(
    client: OpenAI, tool_choice: Any, name: str
) -> None:
    completion = client.chat.completions.parse(
        model=MODEL,
        messages=[user("Hello!")],
        tools=[SEARCH, WEATHER],
        tool_choice=tool_choice,
    )
    [choice] = completion.choices
    [call] = choice.message.tool_calls or []
    assert call.function.name == name
    assert isinstance(call.function.parsed_arguments, (GetWeather, Search))
    assert choice.finish_reason == "tool_calls"


@pytest.mark.parametrize("parallel", [True, False])
def test_several_tools_are_called_at_once_unless_that_is_forbidden(
    client: OpenAI, parallel: bool
) -> None:
    completion = client.chat.completions.create(
        model=MODEL,
        messages=[user("Use search, then GetWeather.")],
        tools=[SEARCH, WEATHER],
        parallel_tool_calls=parallel,
    )
    calls: list[Any] = completion.choices[0].message.tool_calls or []
    names = [call.function.name for call in calls]
    assert names == (["search", "GetWeather"] if parallel else ["search"])
    assert len({call.id for call in calls}) == len(calls)


def test_the_stream_helper_tells_the_arguments_piece_by_piece(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL,
        messages=[user("Use search, then GetWeather.")],
        tools=[SEARCH, WEATHER],
    ) as stream:
        events = list(stream)
        message = stream.get_final_completion().choices[0].message
    written = ["", ""]
    for event in events:
        if event.type == "tool_calls.function.arguments.delta":
            written[event.index] += event.arguments_delta
            assert event.arguments == written[event.index]
    done = [e for e in events if e.type == "tool_calls.function.arguments.done"]
    assert [(e.index, e.name, e.arguments) for e in done] == [
        (0, "search", written[0]),
        (1, "GetWeather", written[1]),
    ]
    assert [type(event.parsed_arguments) for event in done] == [Search, GetWeather]
    calls = message.tool_calls or []
    assert [call.function.parsed_arguments for call in calls] == [
        event.parsed_arguments for event in done
    ]


def test_a_streamed_call_is_that_of_the_whole_answer(client: OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": [user("Hello!")], "tools": [WEATHER], "seed": 3}
    whole = client.chat.completions.create(**asked, tool_choice=FORCED)
    with client.chat.completions.create(**asked, tool_choice=FORCED, stream=True) as stream:
        choices = [chunk.choices[0] for chunk in stream]
    pieces = [call for choice in choices for call in choice.delta.tool_calls or ()]
    [call] = whole.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert [piece.index for piece in pieces] == [0] * len(pieces)
    # The id comes once, as clients append what comes later to it or begin a new call.
    assert [piece.id for piece in pieces] == [call.id] + [None] * (len(pieces) - 1)
    functions = [piece.function for piece in pieces if piece.function]
    assert "".join(function.name or "" for function in functions) == "GetWeather"
    assert "".join(one.arguments or "" for one in functions) == call.function.arguments
    reasons = [choice.finish_reason for choice in choices]
    assert reasons == [None] * (len(choices) - 1) + ["tool_calls"]


def test_a_custom_tool_gets_text(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model=MODEL,
        messages=[user("Please run_code.")],
        tools=[{"type": "custom", "custom": {"name": "run_code"}}],
    )
    [call] = completion.choices[0].message.tool_calls or []
    assert call.type == "custom"
    assert (call.custom.name, bool(call.custom.input)) == ("run_code", True)


def test_a_tool_that_is_not_offered_cannot_be_chosen(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=MODEL, messages=[user("Hello!")], tools=[SEARCH], tool_choice=FORCED
        )
    assert caught.value.param == "tool_choice"


@pytest.mark.parametrize("how", HOW)
def test_functions_are_called_as_older_clients_know_it(client: OpenAI, how: str) -> None:
    asked: Any = {"model": MODEL, "messages": [user("Hello!")], "functions": [FUNCTION]}
    asked["function_call"] = {"name": "get_weather"}
    if how == "streamed":
        with client.chat.completions.create(**asked, stream=True) as stream:
            choices = [chunk.choices[0] for chunk in stream]
        pieces = [one.delta.function_call for one in choices if one.delta.function_call]
        name = "".join(piece.name or "" for piece in pieces)
        arguments = "".join(piece.arguments or "" for piece in pieces)
        reason: str | None = choices[-1].finish_reason
    else:
        [choice] = client.chat.completions.create(**asked).choices
        call = choice.message.function_call
        assert call is not None
        name, arguments, reason = call.name, call.arguments, choice.finish_reason
    assert (name, reason) == ("get_weather", "function_call")
    GetWeather.model_validate_json(arguments)


def test_the_result_of_a_function_is_answered_in_words(client: OpenAI) -> None:
    messages: list[Any] = [user("Ask get_weather, please.")]
    asked: Any = {"model": MODEL, "messages": messages, "functions": [FUNCTION]}
    called = client.chat.completions.create(**asked).choices[0].message
    assert called.function_call is not None
    messages += [called, {"role": "function", "name": "get_weather", "content": "18 degrees"}]
    [choice] = client.chat.completions.create(**asked).choices
    assert (choice.finish_reason, choice.message.content) == (
        "stop",
        "Ask get_weather, please.",
    )
