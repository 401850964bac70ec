"""The floor: a bare WSGI callable that reads the request, makes a dict and writes it down.

Streams are made of one prepared chunk. Each is written by itself: at once, or, with
`BENCH_INTERVAL_SECONDS`, on an absolute schedule.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

from bench.apps.answers import CHUNKS, WORD, chunk, reply

_INTERVAL_SECONDS = float(os.environ.get("BENCH_INTERVAL_SECONDS", "0"))
_CHUNK = b"data: %b\n\n" % json.dumps(chunk(WORD), separators=(",", ":")).encode()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    document = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)))
    if document.get("stream"):
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return _paced() if _INTERVAL_SECONDS else _at_once()
    body = json.dumps(reply(document["model"])).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def _at_once() -> Iterator[bytes]:
    for _ in range(CHUNKS):
        yield _CHUNK
    yield b"data: [DONE]\n\n"


def _paced() -> Iterator[bytes]:
    due = time.monotonic()
    for _ in range(CHUNKS):
        yield _CHUNK
        due += _INTERVAL_SECONDS
        time.sleep(max(due - time.monotonic(), 0.0))
    yield b"data: [DONE]\n\n"
