"""What the mock says by itself: which sentence it is, and what makes it another one."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from llm_proxy.mock.canned import REPLIES
from tests.builders import chat_document, client, read

CHAT = "/v1/chat/completions"


def said(environ: Mapping[str, str] = {}, **fields: Any) -> list[str]:
    """The answers to twenty questions."""
    api = client(**environ)
    documents = [chat_document(f"question {number}", **fields) for number in range(20)]
    answers = [read(api.post(CHAT, json=document)) for document in documents]
    return [answer["choices"][0]["message"]["content"] for answer in answers]


def test_the_sentences_are_those_of_a_helpful_reviewer() -> None:
    assert any("Based on the context, I recommend this approach" in one for one in REPLIES)
    assert set(said()) <= set(REPLIES)
    assert len(set(said())) > 5


def test_the_seeds_and_the_messages_choose_the_sentence_and_nothing_else() -> None:
    chosen = said({"MOCK_SEED": "0"})
    assert said({"MOCK_MODELS": "x"}, model="x", temperature=0.1, user="ann", top_p=0.5) == chosen
    assert said({"MOCK_SEED": "1"}) != chosen
    assert said(seed=1) != chosen


@pytest.mark.parametrize(
    ("path", "document", "form"),
    [
        (CHAT, chat_document(), r"chatcmpl-[A-Za-z0-9]{12,}"),
        ("/v1/completions", {"model": "m", "prompt": "hi"}, r"cmpl-[A-Za-z0-9]{12,}"),
        ("/v1/responses", {"model": "m", "input": "hi"}, r"resp_[A-Za-z0-9]{12,}"),
    ],
)
def test_each_answer_has_an_id_of_its_own(path: str, document: Any, form: str) -> None:
    api = client()
    first, second = (read(api.post(path, json=document))["id"] for _ in range(2))
    assert re.fullmatch(form, first)
    assert first != second
