"""What the server tells of a request: its body, its headers, its connection.

Knows WSGI (PEP 3333), and of Flask only where it keeps the request that it answers.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from flask import g, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from llm_proxy.errors import BodyTooLarge, InvalidRequest
from llm_proxy.shell.clock import ClientClock, clock_of

MAX_DRAINED_BYTES = 64 * 1024 * 1024
"""What is read of a body that is refused; a client that sends more sees a broken connection."""

_NOT_WHOLE = "The body of the request did not arrive whole."


class Incoming:
    """One request, as it stands in the `environ` of the server.

    `method` and `path` are those of the request line, the path with one slash before it, however
    many there are, as Werkzeug finds its routes. `headers` have their names in lower case
    (RFC 9110, 5.1: in any case).
    """

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path = "/" + _text(environ.get("PATH_INFO", "")).lstrip("/")
        self.headers: Mapping[str, str] = _headers(environ)

    @property
    def query(self) -> str:
        """The query of the URL, as it was sent."""
        return str(self._environ.get("QUERY_STRING", ""))

    @property
    def peer(self) -> str:
        """The address that the connection comes from, and its port, if the server tells them."""
        host, port = self._environ.get("REMOTE_ADDR"), self._environ.get("REMOTE_PORT")
        return f"{host}:{port}" if port else host or ""

    def replace_headers(self, others: Mapping[str, str]) -> None:
        """Let the request have these headers, as if they had been sent."""
        self._environ |= {f"HTTP_{name.upper().replace('-', '_')}": others[name] for name in others}
        self.headers = _headers(self._environ)

    def body(self, max_bytes: int) -> bytes:
        """The body of the request.

        Raises:
            BodyTooLarge: it is longer than `max_bytes`.
            InvalidRequest: it ends too early, or its chunks are malformed.
        """
        length = self._length()
        read = self._environ["wsgi.input"].read
        try:
            if length is None:
                document = self._without_length(max_bytes)
            else:
                document = read(length) if 0 < length <= max_bytes else b""
        except RequestEntityTooLarge:
            length = document = None
        except Exception:  # each server has its own for chunks that are malformed
            raise InvalidRequest(_NOT_WHOLE) from None
        if document is None or max(len(document), length or 0) > max_bytes:
            raise BodyTooLarge(
                f"The body of the request is larger than {max_bytes} bytes, "
                "the limit that LLM_PROXY_MAX_BODY_BYTES sets."
            )
        if length is not None and len(document) < length:
            raise InvalidRequest(_NOT_WHOLE)
        return document

    def drain(self) -> None:
        """Take in what is left of the body of a refused request.

        gunicorn closes a connection with more than a little left, which resets it under a client
        that is still writing: it would see a broken connection instead of our error.
        """
        if self._environ.get("wsgi.input_terminated"):  # else this would wait for the next request
            left = MAX_DRAINED_BYTES
            with suppress(Exception):  # chunks that are malformed, or a client that has left
                while left > 0 and (piece := self._environ["wsgi.input"].read(65536)):
                    left -= len(piece)

    def client_clock(self) -> ClientClock:
        """A clock that watches the client's connection, where the server shows it."""
        environ = self._environ
        gunicorns = environ.get("gunicorn.socket")
        return clock_of(
            gunicorns or environ.get("werkzeug.socket"),
            # It ends an answer that fails half way as if it were complete.
            can_cut=not str(environ.get("SERVER_SOFTWARE", "")).startswith("Granian"),
            can_reset=gunicorns is not None,
        )

    def _length(self) -> int | None:
        """The Content-Length, if that is what ends the body (RFC 9112, 6.3)."""
        length = self._environ.get("CONTENT_LENGTH")
        if not length or "HTTP_TRANSFER_ENCODING" in self._environ:
            return None
        return int(length) if length.isdecimal() else 0

    def _without_length(self, max_bytes: int) -> bytes:
        # Werkzeug cuts a body without a Content-Length off at its limit, and says nothing. With
        # one byte more let in, a body that is too long is always seen to be.
        return get_input_stream(self._environ, max_content_length=max_bytes + 1).read()


def current() -> Incoming:
    """The request that Flask is answering."""
    known: Incoming | None = g.get("incoming")
    if known is None:  # several ask for it
        known = g.incoming = Incoming(request.environ)
    return known


def _text(native: str) -> str:
    """A text of the server as it was sent: in UTF-8, of which PEP 3333 makes Latin-1."""
    return native if native.isascii() else native.encode("latin-1").decode(errors="replace")


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    return {_field(key): value for key, value in environ.items() if key[:5] == "HTTP_"}


@lru_cache(maxsize=512)  # clients send the same ones again and again
def _field(key: str) -> str:
    return key[5:].replace("_", "-").lower()
