"""OpenAI's own Python client is content with every answer, with strict validation on."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any, cast

import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAI
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionMessageParam,
)

from tests.sdk import client_of, user
from tests.servers import PATIENCE_SECONDS, Server, running_gunicorn

TEXT = "Naïve words,  two spaces\nand a line break."


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The mock as an echo, and the adapter in front of a port that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listening
        port = taken.getsockname()[1]
        with running_gunicorn(
            MOCK_REPLY="echo", STREAM_URL=f"http://127.0.0.1:{port}/stream"
        ) as running:
            yield running


def echo(client: OpenAI, *messages: ChatCompletionMessageParam, **options: Any) -> str | None:
    completion = client.chat.completions.create(model="gpt-4o", messages=messages, **options)
    content: str | None = completion.choices[0].message.content
    return content


def folded(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_create_returns_a_whole_completion(client: OpenAI) -> None:
    completion = client.chat.completions.create(model="gpt-4o", messages=[user(TEXT)])
    [choice] = completion.choices
    assert (choice.index, choice.finish_reason) == (0, "stop")
    assert (choice.message.role, choice.message.content) == ("assistant", TEXT)
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == completion.usage.completion_tokens == 11
    assert completion.usage.total_tokens == 22
    assert completion.model == "gpt-4o"
    assert completion._request_id is not None
    assert completion._request_id.startswith("req_")


def test_the_chunks_of_a_stream_fold_to_the_content_of_create(client: OpenAI) -> None:
    messages = [user(TEXT)]
    with client.chat.completions.create(model="gpt-4o", messages=messages, stream=True) as stream:
        chunks = list(stream)
    assert folded(chunks) == echo(client, user(TEXT)) == TEXT
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)


def test_usage_comes_in_a_last_chunk_without_choices(client: OpenAI) -> None:
    with client.chat.completions.create(
        model="gpt-4o",
        messages=[user("one two three")],
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *chunks, last = stream
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (4, 4)
    assert last.usage.total_tokens == 8


def test_the_stream_helper_tells_each_word_and_ends_with_the_completion(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model="gpt-4o", messages=[user("one two three")], stream_options={"include_usage": True}
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        completion = stream.get_final_completion()
    assert deltas == ["", "one ", "two ", "three"]  # the empty one opens the message
    assert completion.choices[0].message.content == "one two three"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.total_tokens == 8


def test_the_asynchronous_client_gets_the_same(server: Server) -> None:
    async def ask() -> tuple[str | None, str]:
        async with AsyncOpenAI(
            base_url=server.url + "/mock/v1",
            api_key="x",
            max_retries=0,
            timeout=PATIENCE_SECONDS,
            http_client=DefaultAsyncHttpxClient(trust_env=False),
            _strict_response_validation=True,
        ) as client:
            create = client.chat.completions.create
            whole, stream = await asyncio.gather(
                create(model="gpt-4o", messages=[user(TEXT)]),
                create(model="gpt-4o", messages=[user(TEXT)], stream=True),
            )
            async with stream:
                return whole.choices[0].message.content, folded([chunk async for chunk in stream])

    assert asyncio.run(ask()) == (TEXT, TEXT)


def test_models_are_listed_and_retrieved(server: Server, client: OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert listed == ["gpt-3.5-turbo", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small"]
    assert [client.models.retrieve(name).id for name in listed] == listed
    with client_of(server, "/adapter/v1") as adapter:
        assert [model.id for model in adapter.models.list()] == ["legacy-search"]


def test_a_wrong_parameter_is_a_bad_request_that_names_it(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        echo(client, user("hello"), temperature="hot")
    error = caught.value
    assert (error.param, error.code, error.type) == (
        *("temperature", "invalid_type"),
        "invalid_request_error",
    )
    assert error.request_id is not None
    assert error.request_id == error.response.headers["x-request-id"]
    assert "'temperature'" in error.message


def test_a_wrong_parameter_of_a_stream_is_a_bad_request_too(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[], stream=True)
    assert (caught.value.param, caught.value.code) == ("messages", "empty_array")


def test_a_stored_completion_that_was_never_made_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.retrieve("chatcmpl-none")
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id is not None


def test_a_model_that_is_not_listed_can_be_asked_for(client: OpenAI) -> None:
    assert client.models.retrieve("no/such").id == "no/such"


def test_a_path_that_is_not_there_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.files.list()
    assert caught.value.code == "unknown_url"


def test_a_raw_response_shows_the_request_id(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=[user("hello")])
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.request_id == raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content == "hello"


def test_content_parts_are_read_as_their_text(client: OpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parts = [{"type": "text", "text": "first"}, image, {"type": "text", "text": "second"}]
    message = cast(ChatCompletionMessageParam, {"role": "user", "content": parts})
    assert echo(client, message) == "first\nsecond"


CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
TOOL_CONVERSATION = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "look"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "42"},
]


ACCEPTED: list[tuple[dict[str, Any], str]] = [
    ({"messages": TOOL_CONVERSATION, "tools": [TOOL], "tool_choice": "auto"}, "look"),
    ({"messages": [*TOOL_CONVERSATION, {"role": "user", "content": "look"}]}, "look"),
    ({"max_tokens": 0}, ""),
    ({"max_completion_tokens": 4096, "reasoning_effort": "low"}, "look"),
    ({"functions": [{"name": "other", "parameters": {}}], "function_call": "auto"}, "look"),
    ({"seed": 7, "stop": ["o"], "n": 1}, "l"),
    ({"temperature": 0, "top_p": 1, "logit_bias": {"50256": -100}, "user": "me"}, "look"),
    ({"extra_body": {"a_parameter_of_tomorrow": {"x": [1]}}}, "look"),
    ({"model": "a-model-of-tomorrow"}, "look"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("options", "content"), ACCEPTED, ids=["-".join(options) for options, _ in ACCEPTED]
)
def test_what_clients_send_is_accepted(
    client: OpenAI, options: dict[str, Any], content: str, stream: bool
) -> None:
    asked = {"model": "gpt-4o", "messages": [user("look")], "stream": stream, **options}
    answer = client.chat.completions.create(**asked)
    said = folded(list(answer)) if stream else answer.choices[0].message.content
    assert said == content


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_upstream_that_is_down_is_told_once_and_not_tried_again(
    server: Server, stream: bool
) -> None:
    model = f"asked-once-{stream}"
    with (
        client_of(server, "/adapter/v1", max_retries=2) as patient,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        patient.chat.completions.create(model=model, messages=[user("hello")], stream=stream)
    assert caught.value.status_code == 502
    assert (caught.value.type, caught.value.code) == ("upstream_error", "upstream_failed")
    request_id = caught.value.request_id
    assert request_id is not None
    server.wait_for_log(lambda line: request_id in line)
    assert len([line for line in server.log_lines() if f" model={model} " in line]) == 1
