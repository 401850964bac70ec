"""The adapter that everybody writes: Flask, requests, sseclient-py and json."""

import ast
import json
import os
from collections.abc import Iterator
from typing import Any, cast

import requests
from flask import Flask, Response
from sseclient import SSEClient

from bench.apps.answers import chunk

app = Flask(__name__)
_session = requests.Session()


@app.post("/v1/chat/completions")
def complete() -> Response:
    return Response(_streamed(), mimetype="text/event-stream")


def _streamed() -> Iterator[str]:
    url = os.environ["STREAM_URL"]
    with _session.get(url, params={"search_query": "any"}, stream=True, timeout=60) as answer:
        for event in SSEClient(cast(Any, answer)).events():
            try:
                said = json.loads(event.data)
            except ValueError:
                said = ast.literal_eval(event.data)
            yield f"data: {json.dumps(chunk(said['data']))}\n\n"
    yield f"data: {json.dumps(chunk('', 'stop'))}\n\ndata: [DONE]\n\n"
