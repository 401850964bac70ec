"""Legacy completions as bytes: the chunks of a stream, and the one JSON document."""

import json
from collections import defaultdict
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.folding import collect
from llm_proxy.core.reply import (
    Annotations,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Said,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.errors import UpstreamError
from llm_proxy.openai_api.completions import CompletionEncoder, body
from llm_proxy.openai_api.logprobs import alternatives, token_logprob
from llm_proxy.openai_api.surface import FINGERPRINT
from tests.builders import STAMP, USAGE, documents

HEAD = {
    "id": "cmpl-aaaaaaaaaaaa",
    "object": "text_completion",
    "created": 1_700_000_000,
    "model": "gpt-3.5-turbo-instruct",
    "system_fingerprint": FINGERPRINT,
}


def asked(*prompts: str, echo: bool = False, **fields: Any) -> ChatRequest:
    messages = tuple(Message(role="user", text=prompt) for prompt in prompts or ("hi",))
    return ChatRequest(
        endpoint="completions",
        model="gpt-3.5-turbo-instruct",
        messages=messages,
        document={"echo": echo},
        **{"n": len(messages), **fields},
    )


def streamed(events: list[Said], request: ChatRequest) -> list[Any]:
    encoder = CompletionEncoder(request, STAMP)
    sent = documents(b"".join(map(encoder.encode, events)) + encoder.end())
    for chunk in sent[:-1]:
        _check(chunk)
    return sent


def whole(events: list[Said], request: ChatRequest) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(body(collect(events), request, STAMP))
    Completion.model_validate(document)
    return document


def _check(chunk: dict[str, Any]) -> None:
    """The SDK's type has no word for a null reason, which all chunks but the last have."""
    choices = [
        {**choice, "finish_reason": choice["finish_reason"] or "stop"}
        for choice in chunk["choices"]
    ]
    Completion.model_validate({**chunk, "choices": choices})


def chunk(text: str, reason: str | None = None, choice: int = 0, **more: Any) -> dict[str, Any]:
    choices = [{"text": text, "index": choice, "logprobs": None, "finish_reason": reason}]
    return {**HEAD, "choices": choices, **more}


def test_a_stream_is_texts_finish_done() -> None:
    events: list[Said] = [TextDelta("a "), TextDelta("b"), Finish("stop", Usage(1, 2))]
    assert streamed(events, asked()) == [chunk("a "), chunk("b"), chunk("", "stop"), "[DONE]"]


def test_usage_comes_last_when_asked_for_and_is_null_before() -> None:
    events: list[Said] = [TextDelta("a"), Finish("length", Usage(1, 2))]
    assert streamed(events, asked(include_usage=True)) == [
        chunk("a", usage=None),
        chunk("", "length", usage=None),
        {**HEAD, "choices": [], "usage": USAGE},
        "[DONE]",
    ]


def test_each_choice_has_one_finish_and_the_prompt_it_answers() -> None:
    """Two prompts and two choices of each: index = prompt * n + choice."""
    events: list[Said] = []
    for choice in range(4):
        events += [TextDelta(str(choice), choice), Finish("stop", Usage(1, 2), choice)]
    request = asked("p ", "q ", echo=True, n=4)
    assert streamed(events, request) == [
        chunk("p ", choice=0),
        chunk("0", choice=0),
        chunk("", "stop", choice=0),
        chunk("p ", choice=1),
        chunk("1", choice=1),
        chunk("", "stop", choice=1),
        chunk("q ", choice=2),
        chunk("2", choice=2),
        chunk("", "stop", choice=2),
        chunk("q ", choice=3),
        chunk("3", choice=3),
        chunk("", "stop", choice=3),
        "[DONE]",
    ]
    assert [choice["text"] for choice in whole(events, request)["choices"]] == [
        "p 0",
        "p 1",
        "q 2",
        "q 3",
    ]


def test_echo_gives_the_prompt_back_even_if_nothing_follows() -> None:
    """`max_tokens: 0` with `echo` is how the log probabilities of a prompt are asked for."""
    events: list[Said] = [Finish("length", Usage(1, 0))]
    request = asked("two words", echo=True)
    assert streamed(events, request) == [chunk("two words"), chunk("", "length"), "[DONE]"]
    assert whole(events, request)["choices"] == chunk("two words", "length")["choices"]


def test_log_probabilities_stand_beside_each_token_of_the_text() -> None:
    events: list[Said] = [TextDelta("a "), TextDelta("bc"), Finish("stop", Usage(1, 2))]
    tokens = ["the ", "end", "a ", "bc"]
    logprobs = {
        "tokens": tokens,
        "token_logprobs": [token_logprob(token) for token in tokens],
        "top_logprobs": [dict(alternatives(token, 2)) for token in tokens],
        "text_offset": [0, 4, 7, 9],
    }
    request = asked("the end", echo=True, top_logprobs=2)
    assert whole(events, request)["choices"] == [
        {"text": "the enda bc", "index": 0, "logprobs": logprobs, "finish_reason": "stop"}
    ]


@pytest.mark.parametrize(("top", "sizes"), [(0, [1]), (1, [1]), (5, [5])])
def test_the_token_said_is_always_among_the_alternatives(top: int, sizes: list[int]) -> None:
    events: list[Said] = [TextDelta("said"), Finish("stop", Usage(1, 2))]
    tops = whole(events, asked(top_logprobs=top))["choices"][0]["logprobs"]["top_logprobs"]
    assert [len(top) for top in tops] == sizes
    assert all("said" in top for top in tops)


def test_what_a_completion_has_no_place_for_is_left_out() -> None:
    events: list[Said] = [
        ReasoningDelta("hm"),
        TextDelta("a"),
        RefusalDelta("no"),
        ToolCallDelta(0, "call_1", "search", "{}"),
        Finish("tool_calls", Usage(1, 2)),
    ]
    assert streamed(events, asked()) == [chunk("a"), chunk("", "stop"), "[DONE]"]
    assert whole(events, asked()) == chunk("a", "stop", usage=USAGE)


def test_a_document_has_the_citations_of_all_its_choices_once() -> None:
    events: list[Said] = [
        Annotations(("1", "22")),
        Finish("stop"),
        Annotations(("9", "1"), 1),
        Finish("stop", Usage(1, 2), 1),
    ]
    assert whole(events, asked(n=2))["citations"] == ["1", "22", "9"]


def test_citations_are_on_the_finish_chunk_and_on_the_document() -> None:
    events: list[Said] = [TextDelta("a"), Annotations(("1", "22")), Finish("stop", Usage(1, 2))]
    assert streamed(events, asked())[1] == chunk("", "stop", citations=["1", "22"])
    assert whole(events, asked())["citations"] == ["1", "22"]


def test_an_error_in_the_middle_is_one_event_in_the_error_shape() -> None:
    encoder = CompletionEncoder(asked(), STAMP)
    assert documents(encoder.fail(UpstreamError("It broke off."))) == [
        {
            "error": {
                "message": "It broke off.",
                "type": "upstream_error",
                "param": None,
                "code": "upstream_failed",
            }
        }
    ]


@pytest.mark.parametrize("text", ["\u2028\u2029", "\x00", '"\\', "é😀", "data: [DONE]\n\n"])
def test_no_text_breaks_the_framing(text: str) -> None:
    assert streamed([TextDelta(text), Finish("stop", Usage(1, 2))], asked())[0] == chunk(text)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
reasons = st.sampled_from(get_args(FinishReason))


@st.composite
def replies(draw: st.DrawFn) -> tuple[list[Said], ChatRequest]:
    """A request with some prompts and choices, and an answer whose choices come interleaved."""
    prompts = draw(st.lists(texts, min_size=1, max_size=3))
    n = len(prompts) * draw(st.integers(1, 2))
    pieces: list[tuple[int, str]] = draw(
        st.lists(st.tuples(st.integers(0, n - 1), texts), max_size=8)
    )
    ends: list[FinishReason] = draw(st.lists(reasons, min_size=n, max_size=n))
    events: list[Said] = [TextDelta(text, choice) for choice, text in pieces]
    events += [Finish(reason, Usage(1, 2), choice) for choice, reason in enumerate(ends)]
    top = draw(st.none() | st.integers(0, 5))
    return events, asked(*prompts, echo=draw(st.booleans()), n=n, top_logprobs=top)


@given(replies())
def test_the_stream_folded_is_the_json_reply(reply: tuple[list[Said], ChatRequest]) -> None:
    events, request = reply
    folded: dict[int, dict[str, Any]] = defaultdict(
        lambda: {"text": "", "finish_reason": None, "logprobs": defaultdict(list)}
    )
    for one in streamed(events, request)[:-1]:
        (choice,) = one["choices"]
        into = folded[choice["index"]]
        assert into["finish_reason"] is None, "nothing comes behind the finish"
        into["text"] += choice["text"]
        into["finish_reason"] = choice["finish_reason"]
        for name, values in (choice["logprobs"] or {}).items():
            into["logprobs"][name] += values
    for choice in whole(events, request)["choices"]:
        expected = folded[choice["index"]]
        assert choice["text"] == expected["text"]
        assert choice["finish_reason"] == expected["finish_reason"]
        said = {name: values for name, values in (choice["logprobs"] or {}).items() if values}
        assert said == expected["logprobs"]
        for token, offset in zip(said.get("tokens", ()), said.get("text_offset", ()), strict=True):
            assert choice["text"].startswith(token, offset)
