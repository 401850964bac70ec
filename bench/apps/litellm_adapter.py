"""LiteLLM in front of an upstream that speaks OpenAI's API already, as its library is used."""

import os
from collections.abc import AsyncIterator

import litellm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

litellm.suppress_debug_info = True


async def complete(request: Request) -> StreamingResponse:
    document = await request.json()
    return StreamingResponse(_streamed(document["messages"]), media_type="text/event-stream")


async def _streamed(messages: list[dict[str, str]]) -> AsyncIterator[str]:
    chunks = await litellm.acompletion(
        model="openai/any",
        messages=messages,
        stream=True,
        api_base=os.environ["STREAM_ORIGIN"],
        api_key="not-needed",
    )
    async for chunk in chunks:
        yield f"data: {chunk.model_dump_json()}\n\n"
    yield "data: [DONE]\n\n"


app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
