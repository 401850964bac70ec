"""OpenAI's own Python client and answers that it parses, with strict validation on."""

import asyncio
import json
from enum import StrEnum
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, Field

from tests.sdk import user
from tests.servers import Server
from tests.test_clients_openai import async_client_of

MODEL = "gpt-4o"
HOW = ["whole", "streamed"]


class Severity(StrEnum):
    LOW = "low"
    HIGH = "high"


class Finding(BaseModel):
    file: str
    line: int = Field(gt=0)
    severity: Severity
    note: str | None


class Review(BaseModel):
    summary: str
    score: float = Field(ge=0, le=10)
    approved: bool
    findings: list[Finding] = Field(min_length=1)
    follow_up: "Review | None"


def test_parse_returns_an_instance_of_the_model(client: OpenAI) -> None:
    completion = client.chat.completions.parse(
        model=MODEL, messages=[user("Review this.")], response_format=Review
    )
    [choice] = completion.choices
    assert choice.finish_reason == "stop"
    assert isinstance(choice.message.parsed, Review)
    assert choice.message.content is not None
    assert choice.message.parsed == Review.model_validate_json(choice.message.content)


@pytest.mark.parametrize("seed", range(5))
def test_every_seed_gives_an_instance_and_always_the_same(client: OpenAI, seed: int) -> None:
    def parsed() -> Review | None:
        return (
            client.chat.completions.parse(
                model=MODEL, messages=[user("Review.")], response_format=Review, seed=seed
            )
            .choices[0]
            .message.parsed
        )

    assert parsed() == parsed() is not None


def test_the_stream_helper_parses_while_the_answer_comes(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=[user("Review this.")], response_format=Review
    ) as stream:
        events = list(stream)
        message = stream.get_final_completion().choices[0].message
    deltas = [event for event in events if event.type == "content.delta"]
    [done] = [event for event in events if event.type == "content.done"]
    assert len(deltas) > 2
    assert "".join(event.delta for event in deltas) == done.content == message.content
    assert isinstance(message.parsed, Review)
    assert done.parsed == message.parsed
    assert deltas[-1].parsed == message.parsed.model_dump(mode="json")


def test_the_asynchronous_client_parses_too(server: Server) -> None:
    async def parsed() -> list[Review | None]:
        asked: Any = {"model": MODEL, "messages": [user("Review.")], "response_format": Review}
        async with async_client_of(server) as client:
            whole = await client.chat.completions.parse(**asked)
            async with client.chat.completions.stream(**asked) as stream:
                streamed = await stream.get_final_completion()
        return [one.choices[0].message.parsed for one in (whole, streamed)]

    whole, streamed = asyncio.run(parsed())
    assert isinstance(whole, Review)
    assert whole == streamed


@pytest.mark.parametrize("how", HOW)
def test_an_answer_that_is_cut_is_not_parsed(client: OpenAI, how: str) -> None:
    asked: Any = {"model": MODEL, "messages": [user("Review.")], "response_format": Review}

    def ask(limit: int) -> None:
        if how == "whole":
            client.chat.completions.parse(**asked, max_completion_tokens=limit)
            return
        with client.chat.completions.stream(**asked, max_completion_tokens=limit) as stream:
            stream.until_done()

    with pytest.raises(openai.LengthFinishReasonError) as caught:
        ask(limit=3)
    assert caught.value.completion.choices[0].finish_reason == "length"


def test_json_mode_answers_an_object(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model=MODEL, messages=[user("In JSON.")], response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(completion.choices[0].message.content or ""), dict)


def test_the_stream_helper_keeps_the_choices_apart(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=[user("Review.")], response_format=Review, n=2
    ) as stream:
        choices = stream.get_final_completion().choices
    assert [choice.index for choice in choices] == [0, 1]
    assert all(isinstance(choice.message.parsed, Review) for choice in choices)
