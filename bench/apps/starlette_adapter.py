"""The same adapter for ASGI: Starlette, httpx and httpx-sse."""

import ast
import json
import os
from collections.abc import AsyncIterator

import httpx
from httpx_sse import aconnect_sse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bench.apps.answers import chunk

_client = httpx.AsyncClient(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=None))


async def complete(request: Request) -> StreamingResponse:
    await request.json()
    return StreamingResponse(_streamed(), media_type="text/event-stream")


async def _streamed() -> AsyncIterator[str]:
    url = os.environ["STREAM_URL"] + "&search_query=any"
    async with aconnect_sse(_client, "GET", url) as source:
        async for event in source.aiter_sse():
            try:
                said = json.loads(event.data)
            except ValueError:
                said = ast.literal_eval(event.data)
            yield f"data: {json.dumps(chunk(said['data']))}\n\n"
    yield f"data: {json.dumps(chunk('', 'stop'))}\n\ndata: [DONE]\n\n"


app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
