"""A minimal Flask route, as somebody writes it in five minutes."""

import json
import os
import time
from collections.abc import Iterator

from flask import Flask, Response, jsonify, request

from bench.apps.answers import CHUNKS, WORD, chunk, reply

_INTERVAL_SECONDS = float(os.environ.get("BENCH_INTERVAL_SECONDS", "0"))

app = Flask(__name__)


@app.post("/v1/chat/completions")
def complete() -> Response:
    document = request.get_json()
    if document.get("stream"):
        return Response(_streamed(), mimetype="text/event-stream")
    return jsonify(reply(document["model"]))


def _streamed() -> Iterator[str]:
    for _ in range(CHUNKS):
        yield f"data: {json.dumps(chunk(WORD))}\n\n"
        if _INTERVAL_SECONDS:
            time.sleep(_INTERVAL_SECONDS)
    yield "data: [DONE]\n\n"
