"""Server-sent events as OpenAI writes them (WHATWG HTML, 9.2 Server-sent events).

Only `data:` and `event:` lines: openai-python fails on `id:` and `retry:`.
"""

MEDIA_TYPE = "text/event-stream"

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment. Continue's parser loses data at `: ping`, but not at this one."""


def data(document: bytes) -> bytes:
    """One event that carries a JSON document without line breaks."""
    return b"data: " + document + b"\n\n"
