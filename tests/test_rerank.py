"""Reranking: what is taken, and what Continue, Cohere's, Jina's and Voyage's clients read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.reply import Usage
from llm_proxy.errors import InvalidRequest
from llm_proxy.mock.resources import rerank
from llm_proxy.openai_api.rerank import RerankRequest, body
from tests.test_embeddings import call

DOCUMENTS = ["bananas are yellow", "Paris is the capital of France", "Berlin is a capital"]


def sent(**fields: Any) -> dict[str, Any]:
    return {"model": "r", "query": "capital of France", "documents": DOCUMENTS, **fields}


def answered(**fields: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(rerank(call(sent(**fields))).body)
    return document


def order(document: dict[str, Any]) -> list[int]:
    return [one["index"] for one in document["results"]]


def test_the_answer_has_the_results_under_both_names() -> None:
    request = RerankRequest("r", "q", ("a", "b", "c"), 2, None)
    assert json.loads(body([0.25, 0.5, 0.5], request, "1", Usage(1, 0))) == {
        "id": "rerank-1",
        "object": "list",
        "model": "r",
        "results": [{"index": 1, "relevance_score": 0.5}, {"index": 2, "relevance_score": 0.5}],
        "data": [
            {"index": 1, "relevance_score": 0.5, "document": "b"},
            {"index": 2, "relevance_score": 0.5, "document": "c"},
        ],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
        "meta": {"api_version": {"version": "1"}, "billed_units": {"search_units": 1}},
    }


def test_the_nearest_document_comes_first() -> None:
    answer = rerank(call(sent()))
    document = json.loads(answer.body)
    assert order(document) == [1, 2, 0]
    assert [one["index"] for one in document["data"]] == [1, 2, 0]
    assert (answer.model, answer.usage) == ("r", Usage(21, 0))
    assert document["usage"] == {"prompt_tokens": 21, "total_tokens": 21}


def test_the_same_request_has_the_same_answer() -> None:
    assert answered() == answered()
    assert answered()["id"] != answered(query="another")["id"]


def test_a_document_may_be_an_object() -> None:
    objects = [{"text": text, "title": "more"} for text in DOCUMENTS]
    assert answered(documents=objects)["results"] == answered()["results"]


@pytest.mark.parametrize(
    ("fields", "count"),
    [({"top_n": 1}, 1), ({"top_k": 2}, 2), ({"top_n": 1, "top_k": 2}, 1), ({"top_n": 9}, 3)],
)
def test_only_the_best_come_back(fields: dict[str, Any], count: int) -> None:
    assert order(answered(**fields)) == [1, 2, 0][:count]


@pytest.mark.parametrize(
    ("wanted", "in_results", "in_data"),
    [
        (True, {"text": DOCUMENTS[1]}, DOCUMENTS[1]),
        (None, None, DOCUMENTS[1]),
        (False, None, None),
    ],
)
def test_documents_come_back_if_they_are_wanted(
    wanted: bool | None, in_results: object, in_data: object
) -> None:
    """Cohere and Jina have them as objects, Voyage as text."""
    document = answered(return_documents=wanted)
    assert document["results"][0].get("document") == in_results
    assert document["data"][0].get("document") == in_data


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts.filter(lambda text: bool(text.strip())), st.lists(texts, min_size=1, max_size=5))
def test_scores_are_shares_that_fall(query: str, documents: list[str]) -> None:
    results = answered(query=query, documents=[*documents, query])["results"]
    found = [one["relevance_score"] for one in results]
    assert found == sorted(found, reverse=True)
    assert all(0 <= score <= 1 for score in found)
    assert found[0] == pytest.approx(1.0), "nothing is nearer to a text than itself"


@pytest.mark.parametrize(
    ("document", "param", "code", "message"),
    [
        (
            {"model": "r", "documents": ["a"]},
            "query",
            "missing_required_parameter",
            "Missing required parameter: 'query'.",
        ),
        (
            {"query": "q", "documents": ["a"]},
            "model",
            "missing_required_parameter",
            "Missing required parameter: 'model'.",
        ),
        (
            {"model": "r", "query": "q"},
            "documents",
            "missing_required_parameter",
            "Missing required parameter: 'documents'.",
        ),
        (
            sent(query=" "),
            "query",
            "invalid_value",
            "Invalid value for 'query': it cannot be empty.",
        ),
        (
            sent(documents=[]),
            "documents",
            "empty_array",
            "Invalid 'documents': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
        ),
        (
            sent(documents=["a", 1]),
            "documents[1]",
            "invalid_type",
            "Invalid type for 'documents[1]': expected a string or an object, "
            "but got an integer instead.",
        ),
        (
            sent(documents=[{"title": "a"}]),
            "documents[0].text",
            "missing_required_parameter",
            "Missing required parameter: 'documents[0].text'.",
        ),
        (
            sent(top_n=0),
            "top_n",
            "integer_below_min_value",
            "Invalid 'top_n': integer below minimum value. "
            "Expected a value >= 1, but got 0 instead.",
        ),
        (
            sent(return_documents="yes"),
            "return_documents",
            "invalid_type",
            "Invalid type for 'return_documents': expected a boolean, but got a string instead.",
        ),
    ],
)
def test_what_is_wrong_is_named(document: object, param: str, code: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        rerank(call(document))
    assert (refused.value.param, refused.value.code, refused.value.message) == (
        param,
        code,
        message,
    )
