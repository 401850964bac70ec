"""A minimal FastAPI route."""

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from bench.apps.answers import CHUNKS, WORD, chunk, reply

app = FastAPI()


@app.post("/v1/chat/completions", response_model=None)
async def complete(document: dict[str, Any]) -> dict[str, Any] | StreamingResponse:
    if document.get("stream"):
        return StreamingResponse(_streamed(), media_type="text/event-stream")
    return reply(document["model"])


async def _streamed() -> AsyncIterator[str]:
    for _ in range(CHUNKS):
        yield f"data: {json.dumps(chunk(WORD))}\n\n"
    yield "data: [DONE]\n\n"
