"""Input tokens: what a request for a response would weigh.

Source of the shape: API reference, "Responses", "Get input token counts".
"""

from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.tokens import count_prompt
from llm_proxy.openai_api.decoding import decode_body
from llm_proxy.openai_api.resource import Answer, Call
from llm_proxy.openai_api.responses import tools as responses_tools
from llm_proxy.openai_api.responses.references import references
from llm_proxy.openai_api.responses.request import messages, resumed


class TokensBody(Struct):
    """The fields that weigh."""

    model: str | None = None
    input: str | list[Any] | None = None
    instructions: str | None = None
    tools: list[responses_tools.WireTool] | None = None
    previous_response_id: str | None = None


def input_tokens(call: Call) -> Answer:
    """How many tokens a request for a response would weigh."""
    request = _request(call)
    count = count_prompt(request, call.tokenizer)
    document = {"object": "response.input_tokens", "input_tokens": count}
    return Answer(body=msgspec.json.encode(document), model=request.model or None)


def _request(call: Call) -> ChatRequest:
    body, sent = decode_body(call.document, TokensBody, responses_tools.SUPPORTED)
    request = ChatRequest(
        endpoint="responses",
        model=body.model or "",
        messages=messages(body.instructions, body.input),
        tools=responses_tools.tools(body.tools or ()),
        previous=body.previous_response_id,
        references=references(body.input),
        document=sent,
    )
    return resumed(request, partial(call.store.get, "responses"))
