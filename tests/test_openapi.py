"""Every answer is what OpenAI's own OpenAPI document says, where that document is at hand.

`OPENAI_SPEC` names the file; it is not part of this project.
"""

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.builders import chat_document, client

ROOT = Path(__file__).parent.parent
SPEC = Path(os.environ.get("OPENAI_SPEC", ROOT.parent / "shared/spec/openai-subset.json"))

pytestmark = pytest.mark.skipif(not SPEC.is_file(), reason="OPENAI_SPEC names no file")

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
FUNCTION = {"name": "weather", "parameters": SCHEMA}
FORMAT = {"type": "json_schema", "name": "weather", "schema": SCHEMA}

CHATS: dict[str, dict[str, Any]] = {
    "words": chat_document(),
    "several choices": chat_document(n=3, stop="the", max_tokens=9),
    "log probabilities": chat_document(logprobs=True, top_logprobs=3),
    "a tool call": chat_document(
        "weather", tools=[{"type": "function", "function": FUNCTION}], tool_choice="required"
    ),
    "a function call": chat_document("weather", functions=[FUNCTION]),
    "structured": chat_document(
        response_format={"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA}}
    ),
    "stored": chat_document(store=True, metadata={"a": "b"}, service_tier="flex"),
}
COMPLETIONS: dict[str, dict[str, Any]] = {
    "words": {"model": "m", "prompt": "hi"},
    "all at once": {"model": "m", "prompt": ["a", "b"], "n": 2, "logprobs": 2, "echo": True},
}
RESPONSES: dict[str, dict[str, Any]] = {
    "words": {"model": "m", "input": "hi"},
    "cut": {"model": "m", "input": "hi", "max_output_tokens": 3},
    "log probabilities": {
        "model": "m",
        "input": "hi",
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
    },
    "a tool call": {
        "model": "m",
        "input": "weather",
        "tools": [{"type": "function", "strict": True, **FUNCTION}],
        "tool_choice": "required",
    },
    "a custom tool": {
        "model": "m",
        "input": "grep",
        "tools": [{"type": "custom", "name": "grep"}],
        "tool_choice": "required",
    },
    "structured": {"model": "m", "input": "hi", "text": {"format": FORMAT}},
}


@cache
def registry() -> Registry[Any]:
    document = json.loads(SPEC.read_text())
    resource = DRAFT202012.create_resource(document)
    known: Registry[Any] = Registry().with_resource("urn:openai", resource)
    return known


def check(name: str, document: object) -> None:
    """See to it that `document` is an instance of the schema of that name."""
    schema = {"$ref": f"urn:openai#/components/schemas/{name}"}
    errors = Draft202012Validator(schema, registry=registry()).iter_errors(document)
    found = [f"{error.json_path}: {error.message}" for error in errors]
    assert not found, found[:5]


def events(api: FlaskClient, path: str, document: dict[str, Any]) -> Iterator[Any]:
    """The payloads of a stream but for `[DONE]`."""
    text = api.post(path, json={**document, "stream": True}, buffered=True).text
    for line in text.splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


@pytest.mark.parametrize("document", CHATS.values(), ids=CHATS)
def test_chat_completions(document: dict[str, Any]) -> None:
    api = client()
    check("CreateChatCompletionResponse", api.post("/v1/chat/completions", json=document).json)
    streamed = {**document, "stream_options": {"include_usage": True}}
    for chunk in events(api, "/v1/chat/completions", streamed):
        check("CreateChatCompletionStreamResponse", chunk)


@pytest.mark.parametrize("document", COMPLETIONS.values(), ids=COMPLETIONS)
def test_completions(document: dict[str, Any]) -> None:
    api = client()
    check("CreateCompletionResponse", api.post("/v1/completions", json=document).json)
    for chunk in events(api, "/v1/completions", document):
        # The document has no schema for a chunk; it says that it is the same object, in which
        # the finish reason is null until the end.
        for choice in chunk["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        check("CreateCompletionResponse", chunk)


@pytest.mark.parametrize("document", RESPONSES.values(), ids=RESPONSES)
def test_responses(document: dict[str, Any]) -> None:
    api = client()
    check("Response", api.post("/v1/responses", json=document).json)
    for event in events(api, "/v1/responses", document):
        check("ResponseStreamEvent", event)


def test_models() -> None:
    api = client()
    check("ListModelsResponse", api.get("/v1/models").json)
    check("Model", api.get("/v1/models/gpt-4o").json)


@pytest.mark.parametrize("encoding_format", ["float", "base64"])
def test_embeddings(encoding_format: str) -> None:
    document = {"model": "m", "input": ["a", "b"], "encoding_format": encoding_format}
    answer = client().post("/v1/embeddings", json=document).get_json()
    if encoding_format == "base64":  # the document knows lists of numbers only
        for one in answer["data"]:
            assert isinstance(one["embedding"], str)
            one["embedding"] = [0.0]
    check("CreateEmbeddingResponse", answer)


def test_moderations() -> None:
    document = {"input": ["fine", "[flag:violence]"]}
    check("CreateModerationResponse", client().post("/v1/moderations", json=document).json)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/chat/completions", b"{"),
        ("POST", "/v1/responses", b"[]"),
        ("POST", "/v1/embeddings", b"{}"),
        ("GET", "/v1/responses/none", b""),
        ("PUT", "/v1/models", b""),
        ("POST", "/adapter/v1/embeddings", b"{}"),
        ("POST", "/adapter/v1/chat/completions", json.dumps(chat_document()).encode()),
    ],
)
def test_errors(method: str, path: str, body: bytes) -> None:
    check("ErrorResponse", client().open(path, method=method, data=body).json)
