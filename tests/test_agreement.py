"""A stream folded is the JSON answer: for every source, every surface, all parameters together."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.adapter.source import LegacySource
from llm_proxy.core.bounds import bounded
from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.folding import collect
from llm_proxy.core.prompts import replies
from llm_proxy.core.reply import ASIDES, Events, Said, Source, TextRun
from llm_proxy.core.tokenizers import Characters, Exact, Tokenizer
from llm_proxy.core.tokens import count_prompt, metered
from llm_proxy.openai_api.surface import Encoder, Surface
from llm_proxy.openai_api.surfaces import SURFACES
from llm_proxy.settings import AdapterSettings, MockSettings
from tests.builders import STAMP, mock_source


class Echoing:
    """An upstream that gives the words of the question back, with two citations."""

    def payloads(self, query: str, *_: object, **__: object) -> Iterator[str]:
        yield from (json.dumps({"type": "response", "data": word}) for word in query.split())
        yield from (json.dumps({"type": "citation", "data": number}) for number in ("1", "22"))


SOURCES: Mapping[str, Source] = {
    "canned": mock_source(MockSettings()),
    "echo": mock_source(MockSettings(reply="echo")),
    "paced": mock_source(MockSettings(ttft_ms=1, tokens_per_second=9)),
    "legacy": LegacySource(AdapterSettings(), Echoing()),  # type: ignore[arg-type]
}
TOKENIZERS: Mapping[str, Tokenizer] = {"chars": Characters(), "o200k": Exact("o200k_base")}

PARAMETERS = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
FUNCTION = {"name": "search", "parameters": PARAMETERS}

texts = st.text("ab c\n.é😀", min_size=1, max_size=30).map(lambda text: f"say {text}")
common = {
    "max_tokens": st.integers(0, 20),
    "stop": st.sampled_from(["a", " ", ["é", "the"], []]),
    "n": st.integers(1, 3),
    "seed": st.integers(0, 3),
}
asked = {
    "/chat/completions": st.fixed_dictionaries(
        {"messages": texts.map(lambda text: [{"role": "user", "content": text}])},
        optional={
            **common,
            "logprobs": st.booleans(),
            "top_logprobs": st.integers(0, 5),
            "tools": st.just([{"type": "function", "function": FUNCTION}]),
            "tool_choice": st.sampled_from(["auto", "none"]),
            "response_format": st.sampled_from([{"type": "json_object"}, {"type": "text"}]),
        },
    ),
    "/completions": st.fixed_dictionaries(
        {"prompt": st.one_of(texts, st.lists(texts, min_size=1, max_size=3))},
        optional={**common, "logprobs": st.integers(0, 3), "echo": st.booleans()},
    ),
    "/fim/completions": st.fixed_dictionaries(
        {"prompt": texts}, optional={"max_tokens": st.integers(0, 20), "suffix": texts}
    ),
    "/responses": st.fixed_dictionaries(
        {"input": texts},
        optional={
            "max_output_tokens": st.integers(0, 20),
            "top_logprobs": st.integers(0, 5),
            "include": st.just(["message.output_text.logprobs"]),
            "tools": st.just([{"type": "function", **FUNCTION}]),
            "tool_choice": st.sampled_from(["auto", "none", "required"]),
            "instructions": texts,
        },
    ),
}


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.path)
@settings(max_examples=40)
@given(data=st.data())
def test_a_stream_folded_is_the_json_answer(
    surface: Surface, source: str, tokenizer: str, data: st.DataObject
) -> None:
    document = {"model": "gpt-4o", **data.draw(asked[surface.path])}
    if surface.path == "/responses" and "tools" not in document:
        document.pop("tool_choice", None)
    options = {"stream_options": {"include_usage": True}} if "respon" not in surface.path else {}
    request = surface.parse(json.dumps(document | options).encode())

    def measured(reply: Events, alone: ChatRequest) -> Events:
        counter = TOKENIZERS[tokenizer]
        bound = bounded(reply, alone, counter)
        return metered(bound, count_prompt(alone, counter), counter)

    def events() -> Events:
        return replies(SOURCES[source], request, measured)

    encoder = surface.encoder(request, STAMP)
    stream = (
        b"".join(written(encoder, event) for event in events() if not isinstance(event, ASIDES))
        + encoder.end()
    )
    body = json.loads(surface.body(collect(events()), request, STAMP))
    assert folded(stream, body) == body


def written(encoder: Encoder, event: Said | TextRun) -> bytes:
    return encoder.encode_run(event) if isinstance(event, TextRun) else encoder.encode(event)


def folded(stream: bytes, body: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON answer that a stream amounts to; `body` lends what no stream repeats."""
    payloads = [
        line.removeprefix("data: ")
        for line in stream.decode().split("\n")
        if line.startswith("data: ")
    ]
    if payloads[-1] == "[DONE]":
        payloads.pop()
    chunks = [json.loads(payload) for payload in payloads]
    if "response" in chunks[-1]:
        response: dict[str, Any] = chunks[-1]["response"]
        return response
    whole: dict[str, Any] = {**chunks[0], "object": body["object"], "choices": []}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        whole |= {name: chunk[name] for name in ("usage", "citations") if chunk.get(name)}
        for part in chunk["choices"]:
            merge(choices.setdefault(part["index"], {}), part)
    for index, choice in sorted(choices.items()):
        given = body["choices"][index]
        if "delta" in choice:
            message = choice.pop("delta")
            calls = message.get("tool_calls", [])
            for call in calls:
                del call["index"]
            empty = given["message"].get("content") is None
            choice["message"] = {**given["message"], **message}
            choice["message"]["content"] = None if empty else message["content"]
        whole["choices"].append(choice)
    return whole


def merge(whole: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Add a chunk's choice to what came before: texts and lists grow, other values replace."""
    for name, value in part.items():
        before = whole.get(name)
        if name == "tool_calls":
            calls = whole.setdefault(name, [])
            for call in value:
                if call["index"] == len(calls):
                    calls.append({})
                merge(calls[call["index"]], call)
        elif isinstance(before, list) or (before and name in ("content", "text", "arguments")):
            whole[name] = before + value
        elif isinstance(value, dict):
            whole[name] = before or {}
            merge(whole[name], value)
        elif value is not None or name not in whole:
            whole[name] = value
