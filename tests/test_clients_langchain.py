"""LangChain's classes for OpenAI, pointed at the mock as their users would do it."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import tiktoken
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_openai import OpenAI as CompletionOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from pydantic import BaseModel, Field

from tests.servers import PATIENCE_SECONDS, Server, running_gunicorn

TEXT = "Naïve words,  two spaces\nand a line break."


class Finding(BaseModel):
    file: str
    line: int = Field(gt=0)


class Review(BaseModel):
    """What a reviewer thinks of a change."""

    summary: str
    approved: bool
    findings: list[Finding] = Field(min_length=1)
    note: str | None = None


class Answer(BaseModel):
    """What the mock answers where any JSON object will do."""

    answer: str


@tool
def get_weather(city: str, days: int) -> str:
    """The weather of the next days."""
    return f"{days} days of sunshine in {city}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_gunicorn(MOCK_REPLY="echo") as running:
        yield running


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's keys, proxies and tracing out of it."""
    for name in os.environ:
        if name.startswith(("OPENAI_", "LANGCHAIN_", "LANGSMITH_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def options(server: Server) -> Iterator[dict[str, Any]]:
    """What every class is given; its connections are closed in the end."""
    with DefaultHttpxClient(trust_env=False) as http_client:
        yield {
            "base_url": server.url + "/v1",
            "api_key": "x",
            "max_retries": 0,
            "timeout": PATIENCE_SECONDS,
            "http_client": http_client,
        }


@asynccontextmanager
async def async_options(options: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The same with an asynchronous client, which lives no longer than its event loop."""
    async with DefaultAsyncHttpxClient(trust_env=False) as http_client:
        yield options | {"http_async_client": http_client}


@pytest.fixture(params=[False, True], ids=["chat", "responses"])
def surface(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"model": "gpt-4o", "use_responses_api": request.param, "stream_usage": True}


@pytest.fixture
def chat(surface: dict[str, Any], options: dict[str, Any]) -> ChatOpenAI:
    return ChatOpenAI(**surface, **options)


def total(chunks: list[Any]) -> AIMessageChunk:
    """The chunks of a stream added up, as LangChain does it."""
    message: AIMessageChunk = chunks[0]
    for chunk in chunks[1:]:
        message = message + chunk
    return message


def test_invoke_returns_the_message_with_its_usage(chat: ChatOpenAI) -> None:
    message = chat.invoke([("system", "Be brief."), ("human", TEXT)])
    assert isinstance(message, AIMessage)
    assert message.text == TEXT
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 11
    assert message.usage_metadata["total_tokens"] == message.usage_metadata["input_tokens"] + 11
    assert message.response_metadata["model_name"] == "gpt-4o"


def test_the_reason_of_the_finish_is_told(options: dict[str, Any]) -> None:
    chat = ChatOpenAI(model="gpt-4o", **options)
    assert chat.invoke("one two").response_metadata["finish_reason"] == "stop"
    cut = ChatOpenAI(model="gpt-4o", max_completion_tokens=1, **options).invoke("one two")
    assert (cut.text, cut.response_metadata["finish_reason"]) == ("one ", "length")


def test_stream_yields_the_words(chat: ChatOpenAI) -> None:
    chunks = list(chat.stream("one two three"))
    assert [chunk.text for chunk in chunks if chunk.text] == ["one ", "two ", "three"]
    message = total(chunks)
    assert message.text == "one two three"
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 4


@pytest.mark.parametrize("stream_usage", [True, False])
def test_the_usage_of_a_stream_comes_on_demand(options: dict[str, Any], stream_usage: bool) -> None:
    chat = ChatOpenAI(model="gpt-4o", stream_usage=stream_usage, **options)
    chunks = list(chat.stream("one two three"))
    usages = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert [usage["total_tokens"] for usage in usages] == ([8] if stream_usage else [])
    assert total(chunks).response_metadata["finish_reason"] == "stop"


def test_astream_and_abatch_get_the_same(surface: dict[str, Any], options: dict[str, Any]) -> None:
    async def ask() -> tuple[AIMessageChunk, list[str]]:
        async with async_options(options) as own:
            chat = ChatOpenAI(**surface, **own)
            chunks = [chunk async for chunk in chat.astream(TEXT)]
            return total(chunks), [one.text for one in await chat.abatch(["one", "two", "three"])]

    message, batch = asyncio.run(ask())
    assert message.text == TEXT
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 11
    assert batch == ["one", "two", "three"]


def test_a_tool_that_the_user_names_is_called_and_its_result_ends_the_loop(
    chat: ChatOpenAI,
) -> None:
    model = chat.bind_tools([get_weather])
    conversation: list[Any] = [HumanMessage("Ask get_weather, please.")]
    called = model.invoke(conversation)
    [call] = called.tool_calls
    assert (call["name"], set(call["args"])) == ("get_weather", {"city", "days"})
    result = get_weather.invoke(call)
    assert isinstance(result, ToolMessage)
    assert result.tool_call_id == call["id"]
    answered = model.invoke([*conversation, called, result])
    assert answered.text == "Ask get_weather, please."
    assert answered.tool_calls == []


def test_a_streamed_call_adds_up_to_the_same(chat: ChatOpenAI) -> None:
    model = chat.bind_tools([get_weather])
    whole = model.invoke("Ask get_weather, please.")
    message = total(list(model.stream("Ask get_weather, please.")))
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [
        (call["name"], call["args"]) for call in whole.tool_calls
    ]
    assert len(message.tool_calls) == 1
    assert message.invalid_tool_calls == []


@pytest.mark.parametrize("tool_choice", ["any", "required", "get_weather", True])
def test_a_call_that_is_required_is_made(chat: ChatOpenAI, tool_choice: Any) -> None:
    model = chat.bind_tools([get_weather], tool_choice=tool_choice)
    [call] = model.invoke("Hello!").tool_calls
    assert call["name"] == "get_weather"


# LangChain dumps the parsed completion of the openai package, whose type says it is not parsed.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_is_an_instance_of_the_model(chat: ChatOpenAI, method: Any) -> None:
    model = chat.with_structured_output(Review, method=method)
    review = model.invoke("Review this.")
    assert isinstance(review, Review)
    *_, streamed = model.stream("Review this.")
    assert streamed == review


def test_structured_output_is_made_asynchronously(
    surface: dict[str, Any], options: dict[str, Any]
) -> None:
    async def ask() -> Any:
        async with async_options(options) as own:
            model = ChatOpenAI(**surface, **own).with_structured_output(Review)
            return await model.ainvoke("Review this.")

    assert isinstance(asyncio.run(ask()), Review)


@pytest.mark.parametrize("strict", [True, False])
def test_structured_output_may_be_strict(options: dict[str, Any], strict: bool) -> None:
    chat = ChatOpenAI(model="gpt-4o", **options)
    model = chat.with_structured_output(Review, strict=strict, include_raw=True)
    answer: Any = model.invoke("Review this.")
    assert answer["parsing_error"] is None
    assert answer["parsed"] == Review.model_validate_json(answer["raw"].content)


def test_structured_output_in_json_mode_is_any_object(chat: ChatOpenAI) -> None:
    model = chat.with_structured_output(Answer, method="json_mode")
    assert isinstance(model.invoke("Answer in JSON, with the key 'answer'."), Answer)


def test_log_probabilities_are_told(options: dict[str, Any]) -> None:
    chat = ChatOpenAI(model="gpt-4o", logprobs=True, top_logprobs=2, **options)
    logprobs = chat.invoke("one two").response_metadata["logprobs"]
    assert [token["token"] for token in logprobs["content"]] == ["one ", "two"]


def test_a_response_goes_on_from_the_one_before(options: dict[str, Any]) -> None:
    chat = ChatOpenAI(
        model="gpt-4o", use_responses_api=True, use_previous_response_id=True, **options
    )
    first = chat.invoke("My name is Ada.")
    second = chat.invoke([HumanMessage("My name is Ada."), first, HumanMessage("And now?")])
    assert second.text == "And now?"
    assert first.usage_metadata is not None
    assert second.usage_metadata is not None
    assert second.usage_metadata["input_tokens"] > first.usage_metadata["input_tokens"]


def bytes_as_tokens(_: str) -> tiktoken.Encoding:
    """An encoding that needs no download: every byte is a token."""
    ranks = {bytes([number]): number for number in range(256)}
    return tiktoken.Encoding("bytes", pat_str=r"(?s:.)", mergeable_ranks=ranks, special_tokens={})


@pytest.mark.parametrize("check_embedding_ctx_length", [True, False], ids=["tokens", "texts"])
def test_embeddings_are_made_of_tokens_or_texts(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, check_embedding_ctx_length: bool
) -> None:
    monkeypatch.setattr(tiktoken, "encoding_for_model", bytes_as_tokens)
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small",
        check_embedding_ctx_length=check_embedding_ctx_length,
        **options,
    )
    cat, dog, again = embeddings.embed_documents(["a cat", "the quick dog", "a cat"])
    assert len(cat) == len(dog) == 1536
    assert cat == again == embeddings.embed_query("a cat")
    assert cat != dog


def test_embeddings_are_made_asynchronously(options: dict[str, Any]) -> None:
    async def ask() -> list[float]:
        async with async_options(options) as own:
            embeddings = OpenAIEmbeddings(check_embedding_ctx_length=False, **own)
            return await embeddings.aembed_query("a cat")

    assert len(asyncio.run(ask())) == 1536


def test_a_long_text_is_embedded_in_pieces(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiktoken, "encoding_for_model", bytes_as_tokens)
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-large", dimensions=256, embedding_ctx_length=8, **options
    )
    [long] = embeddings.embed_documents(["a text of more than eight tokens"])
    assert len(long) == 256
    assert sum(number * number for number in long) == pytest.approx(1)


def test_a_completion_continues_the_prompt(options: dict[str, Any]) -> None:
    model = CompletionOpenAI(model="gpt-3.5-turbo-instruct", **options)
    assert model.invoke("one two three") == "one two three"
    assert list(model.stream("one two three"))[:3] == ["one ", "two ", "three"]
    assert model.batch(["one two", "three"]) == ["one two", "three"]


def test_several_prompts_go_in_one_request(options: dict[str, Any]) -> None:
    model = CompletionOpenAI(model="gpt-3.5-turbo-instruct", n=2, **options)
    result = model.generate(["a bc", "d ef"])
    assert [[one.text for one in ones] for ones in result.generations] == [
        ["a bc", "a bc"],
        ["d ef", "d ef"],
    ]
    assert result.llm_output is not None
    assert result.llm_output["token_usage"]["completion_tokens"] == 4


def test_a_completion_is_streamed_asynchronously(options: dict[str, Any]) -> None:
    async def ask() -> str:
        async with async_options(options) as own:
            model = CompletionOpenAI(model="gpt-3.5-turbo-instruct", **own)
            return "".join([text async for text in model.astream(TEXT)])

    assert asyncio.run(ask()) == TEXT
