"""The upstream: a stand-in for the legacy search API that costs next to nothing.

`python -m bench.upstream PORT` answers every request with a stream that its query describes:
`events` of them, in the form `json`, `literal` or `openai` (where there is no query), all at
once or `interval` seconds apart. Paced ones carry the time at which they were sent, in
nanoseconds of `time.monotonic`.
"""

import asyncio
import json
import re
import sys
import time
from contextlib import suppress
from functools import cache
from urllib.parse import parse_qs, urlsplit

from bench.apps.answers import chunk

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"
_FORMS = {
    "json": '{"type": "response", "data": "%s"}',
    "literal": "{'type': 'response', 'data': '%s'}",
    "openai": json.dumps(chunk("%s")),
}


def event(form: str, word: str) -> bytes:
    """One event, in a chunk of its own (RFC 9112, 7.1)."""
    return _chunk(_FORMS[form] % word)


def _chunk(payload: str) -> bytes:
    data = f"data: {payload}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


@cache
def _whole(form: str, events: int) -> bytes:
    """An answer that is sent at once, its words of the usual lengths."""
    words = ("the", "answer", "to", "everything", "is", "found", "below")
    said = b"".join(event(form, words[number % len(words)]) for number in range(events))
    return said + _OPENAIS_END if form == "openai" else said


_OPENAIS_END = _chunk(json.dumps(chunk("", "stop"))) + _chunk("[DONE]")


async def serve(port: int) -> None:
    """Answer on `port` until the task is cancelled."""
    server = await asyncio.start_server(_connection, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if length := _LENGTH.search(head):
                await reader.readexactly(int(length[1]))
            query = parse_qs(urlsplit(head.split(b" ", 2)[1]).query.decode())
            await _answer(
                writer,
                query.get("form", ["openai"])[0],
                int(query.get("events", ["200"])[0]),
                float(query.get("interval", ["0"])[0]),
            )
    writer.close()


async def _answer(
    writer: asyncio.StreamWriter, form: str, events: int, interval_seconds: float
) -> None:
    if not interval_seconds:
        writer.write(_HEAD + _whole(form, events) + _LAST_CHUNK)
        return await writer.drain()
    writer.write(_HEAD)
    due = time.monotonic()
    for _ in range(events):
        writer.write(event(form, str(time.monotonic_ns())))
        due += interval_seconds
        await asyncio.sleep(max(due - time.monotonic(), 0.0))
    writer.write(_LAST_CHUNK)
    return await writer.drain()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1])))
