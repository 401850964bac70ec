"""Fill in the middle, as Mistral's API has it and Continue reads it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.folding import collect
from llm_proxy.core.reply import Annotations, Finish, ReasoningDelta, Said, TextDelta, Usage
from llm_proxy.errors import InvalidRequest, UpstreamError
from llm_proxy.openai_api.fim import SURFACE, parse
from tests.builders import STAMP, USAGE, chat_request, documents

HEAD = {
    "id": "cmpl-aaaaaaaaaaaa",
    "object": "chat.completion.chunk",
    "created": 1_700_000_000,
    "model": "gpt-4o",
}
ROLE = {"role": "assistant", "content": ""}


def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
    return {**HEAD, "choices": choices, **more}


def streamed(events: list[Said]) -> list[Any]:
    encoder = SURFACE.encoder(chat_request(stream=True), STAMP)
    sent = documents(b"".join(map(encoder.encode, events)) + encoder.end())
    for one in sent[:-1]:
        ChatCompletionChunk.model_validate(one)
    return sent


def whole(events: list[Said]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SURFACE.body(collect(events), chat_request(), STAMP))
    ChatCompletion.model_validate(document)
    return document


def test_a_request_becomes_nouns() -> None:
    sent = {
        "model": "codestral-latest",
        "prompt": "def f(",
        "suffix": "return x",
        "max_tokens": 4096,
        "temperature": 0.01,
        "stop": ["[PREFIX]", "[SUFFIX]"],
        "random_seed": 3,
        "stream": True,
        "made_up": 1,
    }
    assert parse(json.dumps(sent).encode()) == ChatRequest(
        endpoint="completions",
        model="codestral-latest",
        messages=(Message(role="user", text="def f("),),
        stream=True,
        stop=("[PREFIX]", "[SUFFIX]"),
        max_tokens=4096,
        seed=3,
        document=sent,
        unknown=("made_up",),
    )


@pytest.mark.parametrize(
    ("sent", "param", "message"),
    [
        ({"prompt": "a"}, "model", "Missing required parameter: 'model'."),
        ({"model": "m"}, "prompt", "Missing required parameter: 'prompt'."),
        (
            {"model": "m", "prompt": ["a"]},
            "prompt",
            "Invalid type for 'prompt': expected a string, but got an array instead.",
        ),
        (
            {"model": "m", "prompt": "a", "suffix": 1},
            "suffix",
            "Invalid type for 'suffix': expected a string, but got an integer instead.",
        ),
        (
            {"model": "m", "prompt": "a", "stop": [1]},
            "stop[0]",
            "Invalid type for 'stop[0]': expected a string, but got an integer instead.",
        ),
        (
            {"model": "m", "prompt": "a", "max_tokens": -1},
            "max_tokens",
            "Invalid 'max_tokens': integer below minimum value. "
            "Expected a value >= 0, but got -1 instead.",
        ),
    ],
)
def test_what_is_wrong_is_named(sent: object, param: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(json.dumps(sent).encode())
    assert (refused.value.param, refused.value.message) == (param, message)


def test_every_chunk_has_a_choice_with_content_and_the_last_one_has_the_usage() -> None:
    events: list[Said] = [
        ReasoningDelta("hm"),
        TextDelta("x, "),
        TextDelta("y"),
        Finish("stop", Usage(1, 2)),
    ]
    assert streamed(events) == [
        chunk(ROLE),
        chunk({"content": "x, "}),
        chunk({"content": "y"}),
        chunk({"content": ""}, "stop", usage=USAGE),
        "[DONE]",
    ]


def test_an_empty_reply_still_has_a_role() -> None:
    assert streamed([Finish("length", Usage(1, 2))]) == [
        chunk(ROLE),
        chunk({"content": ""}, "length", usage=USAGE),
        "[DONE]",
    ]


def test_a_json_reply_has_a_message() -> None:
    assert whole([TextDelta("x, "), TextDelta("y"), Finish("tool_calls", Usage(1, 2))]) == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "x, y"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }


def test_an_error_in_the_middle_is_one_event_in_the_error_shape() -> None:
    encoder = SURFACE.encoder(chat_request(), STAMP)
    (told,) = documents(encoder.fail(UpstreamError("It broke off.")))
    assert told["error"]["message"] == "It broke off."


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8)


@given(texts, st.lists(st.text("0123456789", min_size=1), max_size=3, unique=True))
def test_the_stream_folded_is_the_json_reply(pieces: list[str], citations: list[str]) -> None:
    events: list[Said] = [TextDelta(piece) for piece in pieces]
    if citations:
        events.append(Annotations(tuple(citations)))
    events.append(Finish("stop", Usage(1, 2)))

    *chunks, done = streamed(events)
    document = whole(events)

    assert done == "[DONE]"
    content = "".join(one["choices"][0]["delta"]["content"] for one in chunks)
    assert content == document["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"] == document["usage"]
    assert chunks[-1].get("citations") == document.get("citations")
