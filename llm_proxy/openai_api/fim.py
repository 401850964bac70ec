"""Fill in the middle: `POST /fim/completions`, as Mistral has it and Continue asks it.

Source of the shapes: Mistral's API reference, "Fim Completion". They are those of a chat
completion with three differences that clients rely on: every delta has a `content` (some
versions of Continue read it without looking), no chunk is without a choice, and the usage
stands on the last chunk.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.reply import Annotations, Choice, Finish, Reply, Said, TextDelta
from llm_proxy.openai_api.chat.request import StreamOptions, stop_sequences
from llm_proxy.openai_api.chunks import ChunkEncoder, cited, usage_object
from llm_proxy.openai_api.completions import finish_reason
from llm_proxy.openai_api.decoding import decode_body, unknown_fields
from llm_proxy.openai_api.surface import Stamp, Surface


class FimBody(Struct):
    """Mistral's fields, and those that Continue sends to every API."""

    model: str
    prompt: str
    suffix: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=0)] | None = None
    min_tokens: Annotated[int, Meta(ge=0)] | None = None
    stop: str | list[str] | None = None
    random_seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    metadata: dict[str, Any] | None = None


def parse(document: bytes) -> ChatRequest:
    """Decode the body of a fill-in-the-middle request; the suffix stays in the document.

    Raises:
        InvalidRequest: the body is not what the API takes; `param` names the field.
    """
    body, sent = decode_body(document, FimBody, {})
    max_tokens = body.max_completion_tokens
    return ChatRequest(
        endpoint="completions",
        model=body.model,
        messages=(Message(role="user", text=body.prompt),),
        stream=bool(body.stream),
        stop=stop_sequences(body.stop),
        max_tokens=body.max_tokens if max_tokens is None else max_tokens,
        seed=body.random_seed,
        document=sent,
        unknown=unknown_fields(sent, FimBody),
    )


class FimEncoder(ChunkEncoder):
    """Writes a reply down as fill-in-the-middle chunks: role, texts, reason."""

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        super().__init__(_head(request, stamp, "chat.completion.chunk"), request)
        self._open: set[int] = set()

    def encode(self, event: Said) -> bytes:
        match event:
            case TextDelta(text, choice):
                return self._role(choice) + self._chunk(choice, {"content": text})
            case Finish(reason, usage, choice):
                more = self._finished(event)
                if usage is not None:
                    more += b',"usage":' + _json(usage_object(usage))
                end = self._chunk(choice, {"content": ""}, finish_reason(reason), more)
                return self._role(choice) + end
            case Annotations():
                return self._annotated(event)
            case _:
                return b""

    def _role(self, choice: int) -> bytes:
        if choice in self._open:
            return b""
        self._open.add(choice)
        return self._chunk(choice, {"role": "assistant", "content": ""})

    def _chunk(
        self, choice: int, delta: dict[str, str], reason: str | None = None, more: bytes = b""
    ) -> bytes:
        written = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._written(_json(written), more)


def body(reply: Reply, request: ChatRequest, stamp: Stamp) -> bytes:
    """The fill-in-the-middle object of a whole reply."""
    return _json(
        _head(request, stamp, "chat.completion")
        | {
            "choices": [_choice(index, choice) for index, choice in enumerate(reply.choices)],
            "usage": usage_object(reply.usage),
        }
        | cited(reply)
    )


def _head(request: ChatRequest, stamp: Stamp, kind: str) -> dict[str, Any]:
    return {
        "id": stamp.named("cmpl-"),
        "object": kind,
        "created": stamp.created,
        "model": request.model,
    }


def _choice(index: int, choice: Choice) -> dict[str, Any]:
    return {
        "index": index,
        "message": {"role": "assistant", "content": choice.text},
        "logprobs": None,
        "finish_reason": finish_reason(choice.reason),
    }


_json = msgspec.json.Encoder().encode

SURFACE = Surface(path="/fim/completions", parse=parse, encoder=FimEncoder, body=body)
