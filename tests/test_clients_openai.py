"""OpenAI's own Python client: the options and the headers of a chat, with strict validation on.

Plain chats are in `test_live_openai_sdk`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, OpenAI

from tests.sdk import client_of, user
from tests.servers import PATIENCE_SECONDS, Server, running_gunicorn
from tests.test_live_openai_sdk import folded

MODEL = "gpt-4o"
HOW = ["whole", "streamed"]


@asynccontextmanager
async def async_client_of(server: Server, *, strict: bool = True) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=server.url + "/v1",
        api_key="x",
        max_retries=0,
        timeout=PATIENCE_SECONDS,
        http_client=DefaultAsyncHttpxClient(trust_env=False),
        _strict_response_validation=strict,
    ) as client:
        yield client


@pytest.mark.parametrize("how", HOW)
def test_n_asks_for_so_many_choices(client: OpenAI, how: str) -> None:
    asked: Any = {"model": MODEL, "messages": [user("one two")], "n": 3}
    if how == "streamed":
        with client.chat.completions.create(**asked, stream=True) as stream:
            chunks = list(stream)
        said = dict.fromkeys(range(3), "")
        reasons = {}
        for choice in (chunk.choices[0] for chunk in chunks):
            said[choice.index] += choice.delta.content or ""
            if choice.finish_reason:
                assert choice.index not in reasons
                reasons[choice.index] = choice.finish_reason
    else:
        choices = client.chat.completions.create(**asked).choices
        said = {choice.index: choice.message.content or "" for choice in choices}
        reasons = {choice.index: choice.finish_reason for choice in choices}
    assert said == dict.fromkeys(range(3), "one two")
    assert reasons == dict.fromkeys(range(3), "stop")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("options", "content", "reason"),
    [
        ({"stop": "three"}, "one two ", "stop"),
        ({"stop": ["four", "o t"]}, "one tw", "stop"),
        ({"max_tokens": 2}, "one two ", "length"),
        ({"max_completion_tokens": 1}, "one ", "length"),
        ({"max_tokens": 50}, "one two three four", "stop"),
    ],
    ids=str,
)
def test_an_answer_ends_where_it_has_to(
    client: OpenAI, options: dict[str, Any], content: str, reason: str, how: str
) -> None:
    asked: Any = {"model": MODEL, "messages": [user("one two three four")], **options}
    if how == "streamed":
        with client.chat.completions.create(**asked, stream=True) as stream:
            chunks = list(stream)
        assert (folded(chunks), chunks[-1].choices[0].finish_reason) == (content, reason)
    else:
        [choice] = client.chat.completions.create(**asked).choices
        assert (choice.message.content, choice.finish_reason) == (content, reason)


def test_log_probabilities_come_for_every_token(client: OpenAI) -> None:
    [choice] = client.chat.completions.create(
        model=MODEL, messages=[user("one two three")], logprobs=True, top_logprobs=2
    ).choices
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    assert "".join(token.token for token in tokens) == "one two three"
    assert all(token.logprob <= 0 for token in tokens)
    assert [len(token.top_logprobs) for token in tokens] == [2] * len(tokens)
    assert [bytes(token.bytes or ()).decode() for token in tokens] == [
        token.token for token in tokens
    ]


def test_the_stream_helper_gathers_log_probabilities(client: OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": [user("one two three")]}
    asked |= {"logprobs": True, "top_logprobs": 1}
    with client.chat.completions.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_completion().choices[0].logprobs
    [done] = [event for event in events if event.type == "logprobs.content.done"]
    [choice] = client.chat.completions.create(**asked).choices
    assert final is not None
    assert choice.logprobs is not None
    assert done.content == final.content == choice.logprobs.content


def test_without_logprobs_there_are_none(client: OpenAI) -> None:
    [choice] = client.chat.completions.create(model=MODEL, messages=[user("hi")]).choices
    assert choice.logprobs is None


def test_the_same_seed_says_the_same_and_another_something_else() -> None:
    with running_gunicorn() as server, client_of(server, "/v1") as client:

        def said(seed: int) -> str | None:
            [choice] = client.chat.completions.create(
                model=MODEL, messages=[user("Hello!")], seed=seed
            ).choices
            return choice.message.content

        first = [said(seed) for seed in range(8)]
        assert first == [said(seed) for seed in range(8)]
        assert len(set(first)) > 1


HEADERS = (
    "x-request-id",
    "openai-processing-ms",
    "openai-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
)


@pytest.mark.parametrize(
    "ask",
    [
        lambda raw: raw.chat.completions.with_raw_response.create(
            model=MODEL, messages=[user("hi")]
        ),
        lambda raw: raw.chat.completions.with_raw_response.create(
            model=MODEL, messages=[user("hi")], stream=True
        ),
        lambda raw: raw.embeddings.with_raw_response.create(
            model="text-embedding-3-small", input="hi"
        ),
        lambda raw: raw.responses.with_raw_response.create(model=MODEL, input="hi"),
    ],
    ids=["chat", "chat streamed", "embeddings", "responses"],
)
def test_a_raw_response_shows_the_headers_of_openai(
    client: OpenAI, ask: Callable[[OpenAI], Any]
) -> None:
    raw = ask(client)
    headers = raw.headers
    assert [name for name in HEADERS if name not in headers] == []
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-version"] == "2020-10-01"
    assert int(headers["openai-processing-ms"]) >= 0
    for kind in ("requests", "tokens"):
        limit = int(headers[f"x-ratelimit-limit-{kind}"])
        assert 0 <= int(headers[f"x-ratelimit-remaining-{kind}"]) <= limit
    raw.http_response.close()


def test_an_error_has_an_id_and_a_version_too(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=[])
    headers = caught.value.response.headers
    assert headers["x-request-id"] == caught.value.request_id
    assert headers["openai-version"] == "2020-10-01"
    assert int(headers["openai-processing-ms"]) >= 0
