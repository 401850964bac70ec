"""The ways in which HTTP can frame a body, each cut into the pieces that a test sends."""

import zlib
from collections.abc import Sequence

from tests.raw_upstream import CHUNKED_HEAD, CLOSING_HEAD, LAST_CHUNK, chunk, head

GZIP = 31
"""The window bits by which zlib writes gzip."""

Pieces = Sequence[bytes]
"""A whole answer, cut before the head, behind it, and behind each word."""


def chunked(events: Pieces) -> Pieces:
    return [CHUNKED_HEAD, *map(chunk, events), LAST_CHUNK]


def chunked_byte_by_byte(events: Pieces) -> Pieces:
    """A chunk of its own for every byte."""
    split = [b"".join(chunk(bytes([byte])) for byte in data) for data in events]
    return [CHUNKED_HEAD, *split, LAST_CHUNK]


def until_closed(events: Pieces) -> Pieces:
    return [CLOSING_HEAD, *events, b""]


def http_1_0(events: Pieces) -> Pieces:
    return [head(version="HTTP/1.0"), *events, b""]


def content_length(events: Pieces) -> Pieces:
    return [head(f"Content-Length: {sum(map(len, events))}"), *events, b""]


def compressed(events: Pieces, wbits: int) -> Pieces:
    compressor = zlib.compressobj(wbits=wbits)
    flushed = [compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH) for data in events]
    return [*flushed, compressor.flush()]


def gzip_chunked(events: Pieces) -> Pieces:
    *words, trailer = map(chunk, compressed(events, GZIP))
    gzip_head = head("Transfer-Encoding: chunked", "Content-Encoding: gzip")
    return [gzip_head, *words, trailer + LAST_CHUNK]


def gzip_until_closed(events: Pieces) -> Pieces:
    return [head("Connection: close", "Content-Encoding: gzip"), *compressed(events, GZIP)]


def deflate_chunked(events: Pieces) -> Pieces:
    *words, trailer = map(chunk, compressed(events, zlib.MAX_WBITS))
    deflate_head = head("Transfer-Encoding: chunked", "Content-Encoding: deflate")
    return [deflate_head, *words, trailer + LAST_CHUNK]


FRAMINGS = [
    chunked,
    chunked_byte_by_byte,
    until_closed,
    http_1_0,
    content_length,
    gzip_chunked,
    gzip_until_closed,
    deflate_chunked,
]
