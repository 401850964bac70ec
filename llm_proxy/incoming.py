"""What Flask and the server know of a request: its body, its headers, its connection."""

from collections.abc import Mapping

from flask import g, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from llm_proxy.clock import ClientClock, clock_of
from llm_proxy.errors import BodyTooLarge, InvalidRequest


def body(max_bytes: int) -> bytes:
    """The body of the request.

    Raises:
        BodyTooLarge: it is longer than `max_bytes`.
        InvalidRequest: it ends too early, or its chunks are malformed.
    """
    # Werkzeug cuts a body without a Content-Length off at its limit, and says nothing. With
    # one byte more let in, a body that is too long is always seen to be.
    request.max_content_length = max_bytes + 1
    try:
        document = request.get_data(cache=False)
    except RequestEntityTooLarge:
        document = None
    except (ClientDisconnected, OSError):
        raise InvalidRequest("The body of the request did not arrive whole.") from None
    if document is None or len(document) > max_bytes:
        raise BodyTooLarge(
            f"The body of the request is larger than {max_bytes} bytes, "
            "the limit that LLM_PROXY_MAX_BODY_BYTES sets."
        )
    return document


def headers() -> dict[str, str]:
    """The headers of the request, their names in lower case (RFC 9110, 5.1: in any case)."""
    known: dict[str, str] | None = g.get("headers")
    if known is None:  # several ask for them
        known = g.headers = {
            key[5:].replace("_", "-").lower(): value
            for key, value in request.environ.items()
            if key.startswith("HTTP_")
        }
    return known


def query() -> str:
    """The query of the URL, as it was sent."""
    return str(request.environ.get("QUERY_STRING", ""))


def peer() -> str:
    """The address that the connection comes from, and its port, if the server tells them."""
    host, port = request.environ.get("REMOTE_ADDR"), request.environ.get("REMOTE_PORT")
    return f"{host}:{port}" if port else host or ""


def replace_headers(others: Mapping[str, str]) -> None:
    """Let the request have these headers, as if they had been sent."""
    request.environ |= {f"HTTP_{name.upper().replace('-', '_')}": others[name] for name in others}
    g.pop("headers", None)  # as they were known before


def client_clock() -> ClientClock:
    """A clock that watches the client's connection, where the server shows it."""
    environ = request.environ
    gunicorns = environ.get("gunicorn.socket")
    return clock_of(
        gunicorns or environ.get("werkzeug.socket"),
        # It ends an answer that fails half way as if it were complete.
        can_cut=not str(environ.get("SERVER_SOFTWARE", "")).startswith("Granian"),
        can_reset=gunicorns is not None,
    )
