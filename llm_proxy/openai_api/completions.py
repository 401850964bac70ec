"""Legacy completions: `POST /completions`, what autocomplete asks.

Source of the shapes: API reference, "Create completion" and "The completion object". What
that object has no place for (reasoning, refusals, tool calls) is left out.

One request may hold several prompts. Each becomes a user message, and the choices of all
stand in one row: choice `k` of prompt `p` has the index `p * n + k`. `llm_proxy.core.prompts`
asks for them one by one.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.reply import (
    Annotations,
    Choice,
    Finish,
    FinishReason,
    Reply,
    Said,
    TextDelta,
    words,
)
from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.chat.request import StreamOptions, bounded_n, stop_sequences
from llm_proxy.openai_api.chunks import ChunkEncoder, cited, usage_object
from llm_proxy.openai_api.decoding import decode_body, unknown_fields
from llm_proxy.openai_api.inputs import Input, Item, inputs
from llm_proxy.openai_api.logprobs import alternatives, token_logprob
from llm_proxy.openai_api.surface import Stamp, Surface


class CompletionBody(Struct):
    """The fields we know, with the types that the API reference gives them."""

    model: str
    prompt: str | Annotated[list[Item], Meta(min_length=1)] | None
    suffix: str | None = None
    echo: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    best_of: Annotated[int, Meta(ge=0, le=20)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    user: str | None = None


def parse(document: bytes) -> ChatRequest:
    """Decode the body of a completion request.

    Without `max_tokens` the answer is as long as it is, not cut at OpenAI's default of 16. Of
    `best_of` candidates the first `n` are the best ones; the others are neither made nor counted.

    Raises:
        InvalidRequest: the body is not what the API takes; `param` names the field.
    """
    body, sent = decode_body(document, CompletionBody, {})
    prompts = inputs(body.prompt or "", "prompt")
    return ChatRequest(
        endpoint="completions",
        model=body.model,
        messages=tuple(map(_message, prompts)),
        stream=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
        n=len(prompts) * _choices_each(body),
        stop=stop_sequences(body.stop),
        max_tokens=body.max_tokens,
        top_logprobs=body.logprobs,
        seed=body.seed,
        document=sent,
        unknown=unknown_fields(sent, CompletionBody),
    )


def _message(prompt: Input) -> Message:
    if isinstance(prompt, str):
        return Message(role="user", text=prompt)
    return Message(role="user", tokens=len(prompt))


def _choices_each(body: CompletionBody) -> int:
    """The choices wanted of each prompt, after a check of what they are chosen from."""
    wanted = bounded_n(body.n)
    candidates = body.best_of or wanted
    if candidates < wanted:
        raise InvalidRequest(
            f"Invalid value for 'best_of': expected at least 'n' ({wanted}), but got {candidates}.",
            param="best_of",
            code="invalid_value",
        )
    if candidates > wanted and body.stream:
        raise InvalidRequest(
            f"Invalid value for 'best_of': a stream cannot be chosen from {candidates} candidates.",
            param="best_of",
            code="invalid_value",
        )
    return wanted


class CompletionEncoder(ChunkEncoder):
    """Writes a reply down as completion chunks: one for each text, then one with the reason."""

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        super().__init__(_head(request, stamp), request)
        self._said: dict[int, int] = {}

    def encode(self, event: Said) -> bytes:
        match event:
            case TextDelta(text, choice):
                return self._echo(choice) + self._chunk(choice, [text])
            case Finish(reason, _, choice):
                more = self._finished(event)
                return self._echo(choice) + self._chunk(choice, [], reason, more)
            case Annotations():
                return self._annotated(event)
            case _:
                return b""

    def _echo(self, choice: int) -> bytes:
        """The prompt, in front of the first thing that a choice says."""
        if choice in self._said:
            return b""
        self._said[choice] = 0
        prompt = echoed(self._request, choice)
        return self._chunk(choice, prompt) if prompt else b""

    def _chunk(
        self,
        choice: int,
        pieces: Sequence[str],
        reason: FinishReason | None = None,
        more: bytes = b"",
    ) -> bytes:
        text = "".join(pieces)
        top = self._request.top_logprobs
        logprobs = None
        if pieces and top is not None:
            logprobs = completion_logprobs(pieces, top, self._said[choice])
        self._said[choice] += len(text)
        written = _json(
            {
                "text": text,
                "index": choice,
                "logprobs": logprobs,
                "finish_reason": reason and finish_reason(reason),
            }
        )
        return self._written(written, more)


def body(reply: Reply, request: ChatRequest, stamp: Stamp) -> bytes:
    """The completion object of a whole reply."""
    return _json(
        _head(request, stamp)
        | {
            "choices": [
                _choice(index, choice, request) for index, choice in enumerate(reply.choices)
            ],
            "usage": usage_object(reply.usage),
        }
        | cited(reply)
    )


def _head(request: ChatRequest, stamp: Stamp) -> dict[str, Any]:
    head = {
        "id": stamp.named("cmpl-"),
        "object": "text_completion",
        "created": stamp.created,
        "model": request.model,
    }
    return head | ({"system_fingerprint": stamp.fingerprint} if stamp.fingerprint else {})


def _choice(index: int, choice: Choice, request: ChatRequest) -> dict[str, Any]:
    pieces = [*echoed(request, index), *choice.pieces]
    top = request.top_logprobs
    return {
        "text": "".join(pieces),
        "index": index,
        "logprobs": completion_logprobs(pieces, top) if pieces and top is not None else None,
        "finish_reason": finish_reason(choice.reason),
    }


def echoed(request: ChatRequest, choice: int) -> list[str]:
    """The words of the prompt that belongs to a choice, if `echo` asks for them."""
    if not request.document.get("echo"):
        return []
    n = request.n // len(request.messages)
    return words(request.messages[choice // n].text)


def finish_reason(reason: FinishReason) -> FinishReason:
    """The reason as this older API knows it; it has no tools to call."""
    return "stop" if reason in ("tool_calls", "function_call") else reason


def completion_logprobs(tokens: Sequence[str], top: int, offset: int = 0) -> dict[str, Any]:
    """The `logprobs` object of a completion choice whose text goes on with `tokens`.

    The token that was said is always among the alternatives. `text_offset` counts characters
    of the choice's text; `tokens` begin at `offset`.
    """
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token)
    return {
        "tokens": tokens,
        "token_logprobs": [token_logprob(token) for token in tokens],
        "top_logprobs": [dict(alternatives(token, top)) for token in tokens],
        "text_offset": offsets,
    }


_json = msgspec.json.Encoder().encode

SURFACE = Surface(path="/completions", parse=parse, encoder=CompletionEncoder, body=body)
