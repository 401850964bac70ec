"""Embeddings: what is taken, what comes back, and what is near to what."""

import base64
import json
import math
import struct
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from llm_proxy.core.reply import Usage
from llm_proxy.errors import InvalidRequest
from llm_proxy.mock.decisions import Decisions
from llm_proxy.mock.embedding import Embeddings
from llm_proxy.mock.faults.precedence import Faults
from llm_proxy.mock.fixtures.library import Fixtures
from llm_proxy.mock.vectors import similarity, vector
from llm_proxy.openai_api.resource import Answer, Call
from llm_proxy.settings.chaos import Chaos
from tests.builders import empty_state, empty_store

SMALL = "text-embedding-3-small"


EMBEDDINGS = Embeddings(Decisions(Fixtures(empty_state()), Faults(empty_state(), Chaos(), 0)))


def call(document: object) -> Call:
    return Call(store=empty_store(), names={}, query={}, document=json.dumps(document).encode())


def answered(input_: object, **fields: Any) -> Answer:
    return EMBEDDINGS(call({"model": SMALL, "input": input_, **fields}))


def document(input_: object, **fields: Any) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(answered(input_, **fields).body)
    return written


def vectors(input_: object, **fields: Any) -> list[Any]:
    return [one["embedding"] for one in document(input_, **fields)["data"]]


def near(one: str, other: str) -> float:
    return similarity(vector(one, 1536), vector(other, 1536))


def test_the_answer_is_a_list_of_embeddings_in_the_order_of_the_inputs() -> None:
    answer = answered(["one", "two words"], dimensions=8)
    assert json.loads(answer.body) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": vector("one", 8)},
            {"object": "embedding", "index": 1, "embedding": vector("two words", 8)},
        ],
        "model": SMALL,
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    assert (answer.model, answer.usage) == (SMALL, Usage(4, 0))


@pytest.mark.parametrize(
    ("input_", "tokens", "count"),
    [
        ("hello", 2, 1),
        (["hello"], 2, 1),
        (["a", "b", "c"], 3, 3),
        ([1, 2, 3], 3, 1),
        ([[1, 2, 3], [4]], 4, 2),
        ([0], 1, 1),
        (["x"] * 2048, 2048, 2048),
    ],
)
def test_every_form_of_input_is_understood(input_: object, tokens: int, count: int) -> None:
    written = document(input_, encoding_format="base64", dimensions=4)
    CreateEmbeddingResponse.model_validate(
        {**written, "data": [{**one, "embedding": []} for one in written["data"]]}
    )
    assert [one["index"] for one in written["data"]] == list(range(count))
    assert written["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


@pytest.mark.parametrize(
    ("fields", "dimensions"),
    [
        ({}, 1536),
        ({"model": "text-embedding-3-large"}, 3072),
        ({"model": "text-embedding-ada-002"}, 1536),
        ({"model": "nomic-embed-text"}, 1536),
        ({"dimensions": 1}, 1),
        ({"dimensions": 1536}, 1536),
        ({"model": "text-embedding-3-large", "dimensions": 3072}, 3072),
        ({"model": "nomic-embed-text", "dimensions": 4096}, 4096),
    ],
)
def test_the_model_or_the_request_says_how_many_dimensions(
    fields: dict[str, Any], dimensions: int
) -> None:
    written = document("hello", **fields)
    CreateEmbeddingResponse.model_validate(written)
    assert len(written["data"][0]["embedding"]) == dimensions


@pytest.mark.parametrize(
    ("sent", "param", "code", "message"),
    [
        (
            {"model": SMALL},
            "input",
            "missing_required_parameter",
            "Missing required parameter: 'input'.",
        ),
        (
            {"input": "a"},
            "model",
            "missing_required_parameter",
            "Missing required parameter: 'model'.",
        ),
        (
            {"model": SMALL, "input": None},
            "input",
            "invalid_type",
            "Invalid type for 'input': expected a string or an array, but got null instead.",
        ),
        (
            {"model": SMALL, "input": ""},
            "input",
            "invalid_value",
            "Invalid value for 'input': it cannot be an empty string.",
        ),
        (
            {"model": SMALL, "input": ["a", ""]},
            "input[1]",
            "invalid_value",
            "Invalid value for 'input[1]': it cannot be an empty string.",
        ),
        (
            {"model": SMALL, "input": []},
            "input",
            "empty_array",
            "Invalid 'input': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
        ),
        (
            {"model": SMALL, "input": [[1], []]},
            "input[1]",
            "empty_array",
            "Invalid 'input[1]': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
        ),
        (
            {"model": SMALL, "input": ["a"] * 2049},
            "input",
            "invalid_value",
            "Invalid value for 'input': expected an array of length <= 2048.",
        ),
        (
            {"model": SMALL, "input": ["a", 1]},
            "input[1]",
            "invalid_type",
            "Invalid type for 'input[1]': expected a string, but got an integer instead.",
        ),
        (
            {"model": SMALL, "input": [1.5]},
            "input[0]",
            "invalid_type",
            "Invalid type for 'input[0]': expected an integer or a string or an array, "
            "but got a decimal number instead.",
        ),
        (
            {"model": SMALL, "input": "a", "encoding_format": "hex"},
            "encoding_format",
            "invalid_value",
            "Invalid value: 'hex'. Supported values are: 'float' and 'base64'.",
        ),
        (
            {"model": SMALL, "input": "a", "dimensions": 0},
            "dimensions",
            "integer_below_min_value",
            "Invalid 'dimensions': integer below minimum value. "
            "Expected a value >= 1, but got 0 instead.",
        ),
        (
            {"model": SMALL, "input": "a", "dimensions": 1537},
            "dimensions",
            "invalid_value",
            "Invalid value for 'dimensions': expected an integer <= 1536, but got 1537.",
        ),
        (
            {"model": "nomic-embed-text", "input": "a", "dimensions": 4097},
            "dimensions",
            "invalid_value",
            "Invalid value for 'dimensions': expected an integer <= 4096, but got 4097.",
        ),
        (
            {"model": "text-embedding-ada-002", "input": "a", "dimensions": 1536},
            "dimensions",
            None,
            "The model 'text-embedding-ada-002' does not support 'dimensions': it has 1536.",
        ),
    ],
)
def test_what_is_wrong_is_named(sent: object, param: str, code: str | None, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        EMBEDDINGS(call(sent))
    assert (refused.value.param, refused.value.code, refused.value.message) == (
        param,
        code,
        message,
    )


some_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
inputs = some_text | st.lists(st.integers(0, 200_000), min_size=1)


@given(inputs, st.integers(1, 300))
def test_every_vector_has_unit_length(given_: str | list[int], dimensions: int) -> None:
    found = vector(given_, dimensions)
    assert len(found) == dimensions
    assert math.isclose(math.hypot(*found), 1.0, abs_tol=1e-6)


@given(some_text, st.integers(1, 300))
def test_base64_holds_the_same_numbers(text: str, dimensions: int) -> None:
    (floats,) = vectors(text, dimensions=dimensions)
    (packed,) = vectors(text, dimensions=dimensions, encoding_format="base64")
    assert list(struct.unpack(f"<{dimensions}f", base64.b64decode(packed))) == floats


@pytest.mark.parametrize(
    "other",
    [
        "DON'T PARSE THE BODY",
        "dont, parse: the body!",
        "  don\u2019t\nparse (the) body",
        "don't_parse-the.body",
    ],
)
def test_case_and_punctuation_do_not_count(other: str) -> None:
    assert vector(other, 1536) == vector("don't parse the body", 1536)


@pytest.mark.parametrize(
    ("question", "nearer", "farther"),
    [
        (
            "What is the capital of France?",
            "Paris is the capital and largest city of France.",
            "Berlin is the largest city of Germany.",
        ),
        ("parse the request body", "def parse_body(request):", "def render(page):"),
        ("running tests", "to run a test", "an apple pie"),
        ("größe der datei", "die Größe einer Datei", "die Farbe eines Autos"),
    ],
)
def test_texts_that_share_words_or_parts_of_words_are_nearer(
    question: str, nearer: str, farther: str
) -> None:
    assert near(question, nearer) > near(question, farther) + 0.1


def test_tokens_in_common_make_inputs_near() -> None:
    one, same, other = vectors([[1, 2, 3, 4], [9, 3, 2, 1], [5, 6, 7, 8]])
    assert similarity(one, same) > 0.7 > 0.1 > similarity(one, other)


def test_texts_without_words_have_vectors_of_their_own() -> None:
    assert near("!!!", "???") < 0.5
    assert near("!!!", "!!!") == pytest.approx(1.0)


def test_another_process_has_the_same_vectors() -> None:
    """Python's own hashes change from process to process."""
    code = "from llm_proxy.mock.vectors import vector; print(vector('the same each time', 64))"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(vector("the same each time", 64))
