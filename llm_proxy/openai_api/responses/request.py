"""The Responses API: `POST /responses`, what it is asked.

Source of the rules: API reference, "Create a model response". How it answers stands in
`object` and `stream`.
"""

from typing import Any

from msgspec.structs import replace

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.decoding import decode_body, unknown_fields
from llm_proxy.openai_api.responses import input as responses_input
from llm_proxy.openai_api.responses import tools as wire
from llm_proxy.openai_api.responses.body import (
    SUPPORTED,
    JsonObjectFormat,
    JsonSchemaFormat,
    ResponsesBody,
    Text,
)
from llm_proxy.openai_api.responses.conversation import instructed
from llm_proxy.openai_api.responses.object import body
from llm_proxy.openai_api.responses.references import Find, references, resolved
from llm_proxy.openai_api.responses.stream import ResponsesEncoder
from llm_proxy.openai_api.surface import Surface

DEFAULT_MODEL = "gpt-4o"
"""The model of a request that names none, as when a stored `prompt` is to decide it."""

_LOGPROBS = "message.output_text.logprobs"


def parse(document: bytes) -> ChatRequest:
    """Decode the body of a Responses request; its instructions become the first message.

    Raises:
        InvalidRequest: the body is not what the API takes; `param` names the field.
    """
    body, sent = decode_body(document, ResponsesBody, SUPPORTED)
    _check(body)
    said = messages(body.instructions, body.input)  # which looks at the items, too
    offered = wire.tools(body.tools or ())
    return ChatRequest(
        endpoint="responses",
        model=body.model or DEFAULT_MODEL,
        messages=said,
        stream=bool(body.stream),
        tools=offered,
        tool_choice=wire.tool_choice(body.tool_choice, len(body.tools or ()), offered),
        parallel_tool_calls=body.parallel_tool_calls is not False,
        schema=_schema(body.text),
        max_tokens=body.max_output_tokens,
        top_logprobs=(body.top_logprobs or 0) if _LOGPROBS in (body.include or ()) else None,
        store=body.store is not False,
        previous=body.previous_response_id,
        references=references(body.input),
        document=sent,
        unknown=unknown_fields(sent, ResponsesBody),
    )


def _check(body: ResponsesBody) -> None:
    """Refuse a request that says two things at once."""
    if body.previous_response_id is not None and body.conversation is not None:
        raise InvalidRequest(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. "
            "Ensure you are only providing one of these parameters.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )


def _schema(text: Text | None) -> dict[str, Any] | None:
    match text and text.format:
        case JsonObjectFormat():
            return {}
        case JsonSchemaFormat(schema=schema):
            return schema
        case _:
            return None


def messages(instructions: str | None, sent: str | list[Any] | None) -> tuple[Message, ...]:
    """The instructions, if there are any, and the messages of the input behind them."""
    leading = (Message(role="system", text=instructions),) if instructions else ()
    return leading + responses_input.messages(sent or ())


def resumed(request: ChatRequest, find: Find) -> ChatRequest:
    """`request` with what it refers to: stored items, and the conversation that it goes on from.

    Instructions hold for one response only (API reference, `instructions`): those of the
    stored response are left behind. The request that is stored with it was itself resumed, so
    that the whole chain is there.

    Raises:
        NotStored: an item that it refers to is not stored.
        InvalidRequest: there is no such conversation.
    """
    if request.references:
        document = request.document
        items = resolved(document["input"], find)
        request = replace(
            request,
            messages=messages(document.get("instructions"), items),
            document={**document, "input": items},
        )
    if request.previous is None:
        return request
    stored = find(request.previous)
    if stored is None:
        raise InvalidRequest(
            f"Previous response with id '{request.previous}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    own = instructed(request)
    earlier = stored.conversation()[instructed(stored.request) :]
    signed = stored.reply.stamped
    return replace(
        request,
        messages=request.messages[:own] + earlier + request.messages[own:],
        previous_origin=signed.origin if signed.id is not None else "",
        resumed=len(earlier),
    )


SURFACE = Surface(
    path="/responses", parse=parse, encoder=ResponsesEncoder, body=body, resumed=resumed
)
