"""Moderations: what is taken, what comes back, and what it takes to be flagged."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import ModerationCreateResponse

from llm_proxy.core.reply import Usage
from llm_proxy.errors import InvalidRequest
from llm_proxy.mock.flags import PHRASES, scores
from llm_proxy.mock.resources import moderations
from llm_proxy.openai_api.moderations import CATEGORIES, OF_IMAGES, Moderated
from tests.test_embeddings import call


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def answered(input_: object, **fields: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(moderations(call({"input": input_, **fields})).body)
    ModerationCreateResponse.model_validate(document)
    return document


def flags(input_: object) -> list[list[str]]:
    """The categories flagged, for each result."""
    found = []
    for result in answered(input_)["results"]:
        found.append([name for name, flagged in result["categories"].items() if flagged])
        assert result["flagged"] == bool(found[-1])
    return found


def test_the_answer_has_a_result_with_every_category() -> None:
    document = answered("have a nice day")
    (result,) = document["results"]
    assert document == {
        "id": document["id"],
        "model": "omni-moderation-latest",
        "results": [
            {
                "flagged": False,
                "categories": dict.fromkeys(CATEGORIES, False),
                "category_scores": scores(Moderated(texts=("have a nice day",))),
                "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
            }
        ],
    }
    assert all(0 <= score < 0.001 for score in result["category_scores"].values())


def test_the_model_is_echoed_and_the_log_is_told_what_was_used() -> None:
    sent = {"model": "text-moderation-stable", "input": ["abcde", "abcd"]}
    answer = moderations(call(sent))
    assert json.loads(answer.body)["model"] == "text-moderation-stable"
    assert (answer.model, answer.usage) == ("text-moderation-stable", Usage(3, 0))


def test_the_id_belongs_to_the_request() -> None:
    one, again, other = answered("a"), answered("a"), answered("b")
    assert one == again
    assert one["id"].startswith("modr-")
    assert one["id"].removeprefix("modr-").isalnum()
    assert one["id"] != other["id"]


@pytest.mark.parametrize(
    ("input_", "count"),
    [
        ("a", 1),
        ("", 1),
        (["a"], 1),
        (["a", "b", ""], 3),
        ([text("a")], 1),
        ([text("a"), image("https://example.com/a.png"), text("b")], 1),
    ],
)
def test_each_string_has_a_result_and_all_parts_have_one(input_: object, count: int) -> None:
    assert flags(input_) == [[]] * count


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_marker_flags_its_category_and_no_other(category: str) -> None:
    marked = f"some text [flag:{category}] and more"
    assert flags([marked, "some text"]) == [[category], []]
    assert flags([text("some text"), text(marked)]) == [[category]]
    result = answered(marked)["results"][0]
    assert result["category_scores"][category] >= 0.9


def test_several_markers_flag_several_categories() -> None:
    assert flags("[flag:violence][flag:hate] [flag:nothing-known] [flag:]") == [
        ["hate", "violence"]
    ]


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_marker_in_the_url_of_an_image_flags_what_images_are_looked_at_for(
    category: str,
) -> None:
    marked = image(f"https://example.com/a.png#[flag:{category}]")
    expected = [category] if category in OF_IMAGES else []
    assert flags([marked]) == [expected]


def test_an_image_alone_is_not_looked_at_in_the_categories_of_texts() -> None:
    (result,) = answered([image("https://example.com/a.png")])["results"]
    applied = {name: ["image"] if name in OF_IMAGES else [] for name in CATEGORIES}
    assert result["category_applied_input_types"] == applied
    zero = [name for name, score in result["category_scores"].items() if score == 0]
    assert zero == [name for name in CATEGORIES if name not in OF_IMAGES]


def test_text_and_image_are_both_looked_at() -> None:
    (result,) = answered([text("a"), image("data:image/png;base64,AAAA")])["results"]
    applied = {name: ["text", "image"] if name in OF_IMAGES else ["text"] for name in CATEGORIES}
    assert result["category_applied_input_types"] == applied


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("I want to kill them.", ["violence"]),
        ("I WILL HURT YOU!!", ["harassment/threatening", "violence"]),
        ("How to kill the process I want", []),
        ("skill youth", []),
    ],
)
def test_a_few_phrases_flag_by_themselves(said: str, expected: list[str]) -> None:
    assert flags(said) == [expected]


def test_the_phrases_are_written_as_they_are_compared() -> None:
    assert PHRASES.keys() <= set(CATEGORIES)
    for category, phrases in PHRASES.items():
        for phrase in phrases:
            assert category in flags(f"({phrase.upper()})")[0]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_scores_are_shares_and_stay_the_same(said: str) -> None:
    item = Moderated(texts=(said,))
    found = scores(item)
    assert list(found) == list(CATEGORIES)
    assert all(0 <= score <= 1 for score in found.values())
    assert found == scores(item)


@pytest.mark.parametrize(
    ("sent", "param", "code", "message"),
    [
        ({}, "input", "missing_required_parameter", "Missing required parameter: 'input'."),
        (
            {"input": []},
            "input",
            "empty_array",
            "Invalid 'input': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
        ),
        (
            {"input": 5},
            "input",
            "invalid_type",
            "Invalid type for 'input': expected a string or an array, but got an integer instead.",
        ),
        (
            {"input": [text("a"), "b"]},
            "input[1]",
            "invalid_type",
            "Invalid type for 'input[1]': expected an object, but got a string instead.",
        ),
        (
            {"input": ["a", image("b")]},
            "input[1]",
            "invalid_type",
            "Invalid type for 'input[1]': expected a string, but got an object instead.",
        ),
        (
            {"input": [{"type": "video"}]},
            "input[0].type",
            "invalid_value",
            "Invalid value: 'video'. Supported values are: 'text' and 'image_url'.",
        ),
        (
            {"input": [{"type": "text"}]},
            "input[0].text",
            "missing_required_parameter",
            "Missing required parameter: 'input[0].text'.",
        ),
        (
            {"input": [{"type": "image_url", "image_url": "https://example.com"}]},
            "input[0].image_url",
            "invalid_type",
            "Invalid type for 'input[0].image_url': expected an object, but got a string instead.",
        ),
        (
            {"input": "a", "model": 5},
            "model",
            "invalid_type",
            "Invalid type for 'model': expected a string, but got an integer instead.",
        ),
    ],
)
def test_what_is_wrong_is_named(sent: object, param: str, code: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        moderations(call(sent))
    assert (refused.value.param, refused.value.code, refused.value.message) == (
        param,
        code,
        message,
    )
