"""The upstream: a stand-in for the legacy search API that costs next to nothing.

`python -m bench.upstream PORT` answers every GET with a stream that its query describes:
`events` of them, in the form `json` or `literal`, all at once or `interval` seconds apart.
Paced ones carry the time at which they were sent, in nanoseconds of `time.monotonic`.
"""

import asyncio
import sys
import time
from contextlib import suppress
from functools import cache
from urllib.parse import parse_qs, urlsplit

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"
_FORMS = {
    "json": '{"type": "response", "data": "%s"}',
    "literal": "{'type': 'response', 'data': '%s'}",
}


def event(form: str, word: str) -> bytes:
    """One event, in a chunk of its own (RFC 9112, 7.1)."""
    data = b"data: %b\n\n" % (_FORMS[form] % word).encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


@cache
def _whole(form: str, events: int) -> bytes:
    """An answer that is sent at once, its words of the usual lengths."""
    words = ("the", "answer", "to", "everything", "is", "found", "below")
    return b"".join(event(form, words[number % len(words)]) for number in range(events))


async def serve(port: int) -> None:
    """Answer on `port` until the task is cancelled."""
    server = await asyncio.start_server(_connection, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            query = parse_qs(urlsplit(head.split(b" ", 2)[1]).query.decode())
            await _answer(
                writer,
                query["form"][0],
                int(query["events"][0]),
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
