"""What the legacy completions surface takes, and how it refuses the rest."""

import json
from typing import Any

import pytest

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.completions import parse


def document(prompt: object = "def f():", **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-3.5-turbo-instruct", "prompt": prompt, **fields}


def parsed(sent: object) -> ChatRequest:
    return parse(json.dumps(sent).encode())


def test_a_request_becomes_nouns() -> None:
    sent = document(
        "def f():",
        suffix="return x",
        stream=True,
        stream_options={"include_usage": True},
        n=2,
        best_of=2,
        logprobs=3,
        max_tokens=7,
        stop="\n",
        seed=5,
        made_up=1,
    )
    assert parsed(sent) == ChatRequest(
        endpoint="completions",
        model="gpt-3.5-turbo-instruct",
        messages=(Message(role="user", text="def f():"),),
        stream=True,
        include_usage=True,
        n=2,
        stop=("\n",),
        max_tokens=7,
        top_logprobs=3,
        seed=5,
        document=sent,
        unknown=("made_up",),
    )


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (None, [("", 0)]),
        ("", [("", 0)]),
        ("a b", [("a b", 0)]),
        (["a"], [("a", 0)]),
        (["a", "", "b"], [("a", 0), ("", 0), ("b", 0)]),
        ([1, 2, 3], [("", 3)]),
        ([[1, 2], [3]], [("", 2), ("", 1)]),
    ],
)
def test_every_prompt_is_a_message(prompt: object, expected: list[tuple[str, int]]) -> None:
    """The text of a prompt in tokens is not known here."""
    request = parsed(document(prompt, n=3))
    assert [(message.text, message.tokens) for message in request.messages] == expected
    assert request.n == 3 * len(expected)


def test_what_continue_sends_for_autocomplete_is_understood() -> None:
    sent = document(
        "<fim_prefix>a<fim_suffix>b<fim_middle>",
        max_tokens=4096,
        temperature=0.01,
        stream=True,
        stop=["<fim_prefix>", "<fim_suffix>", "/src/", "#- coding: utf-8", "```"],
    )
    request = parsed(sent)
    assert (request.stream, request.max_tokens, len(request.stop)) == (True, 4096, 5)
    assert request.unknown == ()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_tokens": 0, "logprobs": 0, "best_of": 0},
        {"n": 128},
        {"n": 2, "best_of": 20},
        {"n": 2, "best_of": 2, "stream": True},
        {"stop": None, "suffix": None, "echo": None, "stream_options": None, "logprobs": None},
        {"temperature": 1, "top_p": 0.5, "logit_bias": {"50256": -100}, "user": "ann"},
    ],
)
def test_legal_parameters_are_accepted(fields: dict[str, Any]) -> None:
    assert parsed(document(**fields)).unknown == ()


@pytest.mark.parametrize(
    ("sent", "param", "code", "message"),
    [
        (
            {"prompt": "hi"},
            "model",
            "missing_required_parameter",
            "Missing required parameter: 'model'.",
        ),
        (
            {"model": "m"},
            "prompt",
            "missing_required_parameter",
            "Missing required parameter: 'prompt'.",
        ),
        (
            document(5),
            "prompt",
            "invalid_type",
            "Invalid type for 'prompt': expected a string or an array, but got an integer instead.",
        ),
        (
            document([]),
            "prompt",
            "empty_array",
            "Invalid 'prompt': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
        ),
        (
            document([[1], []]),
            "prompt[1]",
            "empty_array",
            "Invalid 'prompt[1]': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
        ),
        (
            document(["a", [1]]),
            "prompt[1]",
            "invalid_type",
            "Invalid type for 'prompt[1]': expected a string, but got an array instead.",
        ),
        (
            document([1, 2, "a"]),
            "prompt[2]",
            "invalid_type",
            "Invalid type for 'prompt[2]': expected an integer, but got a string instead.",
        ),
        (
            document([[1], 2]),
            "prompt[1]",
            "invalid_type",
            "Invalid type for 'prompt[1]': expected an array, but got an integer instead.",
        ),
        (
            document([[1, "a"]]),
            "prompt[0][1]",
            "invalid_type",
            "Invalid type for 'prompt[0][1]': expected an integer, but got a string instead.",
        ),
        (
            document([1, -1]),
            "prompt[1]",
            "invalid_value",
            "Invalid value for 'prompt[1]': expected an integer >= 0.",
        ),
        (
            document(["a", None]),
            "prompt[1]",
            "invalid_type",
            "Invalid type for 'prompt[1]': expected an integer or a string or an array, "
            "but got null instead.",
        ),
        (
            document(logprobs=6),
            "logprobs",
            "integer_above_max_value",
            "Invalid 'logprobs': integer above maximum value. "
            "Expected a value <= 5, but got 6 instead.",
        ),
        (
            document(logprobs=True),
            "logprobs",
            "invalid_type",
            "Invalid type for 'logprobs': expected an integer, but got a boolean instead.",
        ),
        (
            document(best_of=21),
            "best_of",
            "integer_above_max_value",
            "Invalid 'best_of': integer above maximum value. "
            "Expected a value <= 20, but got 21 instead.",
        ),
        (
            document(n=3, best_of=2),
            "best_of",
            "invalid_value",
            "Invalid value for 'best_of': expected at least 'n' (3), but got 2.",
        ),
        (
            document(best_of=2, stream=True),
            "best_of",
            "invalid_value",
            "Invalid value for 'best_of': a stream cannot be chosen from 2 candidates.",
        ),
        (
            document(echo="yes"),
            "echo",
            "invalid_type",
            "Invalid type for 'echo': expected a boolean, but got a string instead.",
        ),
        (
            document(suffix=["a"]),
            "suffix",
            "invalid_type",
            "Invalid type for 'suffix': expected a string, but got an array instead.",
        ),
        (
            document(max_tokens=-1),
            "max_tokens",
            "integer_below_min_value",
            "Invalid 'max_tokens': integer below minimum value. "
            "Expected a value >= 0, but got -1 instead.",
        ),
    ],
)
def test_what_is_wrong_is_named(sent: object, param: str, code: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parsed(sent)
    assert (refused.value.param, refused.value.code, refused.value.message) == (
        param,
        code,
        message,
    )
