"""CORS: which pages in a browser may call this server, and what they may see of its answers.

Flask code, as is `edge`, which installs it before the keys are asked for: browsers send no
key with a preflight. Source: WHATWG Fetch, 3.2.
"""

from collections.abc import Callable, Sequence

from flask import Flask, Response, request

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

EXPOSED = ", ".join(
    (
        "x-request-id",
        "openai-processing-ms",
        "openai-version",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        *(
            f"x-ratelimit-{what}-{of}"
            for of in ("requests", "tokens")
            for what in ("limit", "remaining", "reset")
        ),
    )
)
"""What a script may read beside the few headers that it always may."""

PREFLIGHT_SECONDS = 600
"""How long a browser may remember the answer to a preflight."""


def install(app: Flask, origins: Sequence[str]) -> None:
    """Let pages from `origins` call `app`; `*` is every page, but without its cookies."""
    if origins:
        app.before_request(_preflight(origins))
        app.after_request(_allowance(origins))


def _preflight(origins: Sequence[str]) -> Callable[[], Response | None]:
    """The answer to a browser that asks whether it may, before it asks what it wants."""

    def answer() -> Response | None:
        asked = request.headers.get("Access-Control-Request-Method")
        if request.method != "OPTIONS" or asked is None or not _allowed(origins):
            return None
        response = Response(status=204)
        del response.headers["Content-Type"]
        wanted = request.headers.get("Access-Control-Request-Headers")
        response.access_control_max_age = PREFLIGHT_SECONDS
        response.headers["Access-Control-Allow-Methods"] = METHODS
        # As they were asked for: a list of our own would always lack a client's next header.
        response.headers["Access-Control-Allow-Headers"] = wanted or "authorization, content-type"
        response.vary.update(("Access-Control-Request-Method", "Access-Control-Request-Headers"))
        return response

    return answer


def _allowance(origins: Sequence[str]) -> Callable[[Response], Response]:
    """The headers that every answer to an allowed page carries, errors and streams included."""

    def allowing(response: Response) -> Response:
        response.vary.add("Origin")
        if _allowed(origins):
            headers = response.headers
            headers["Access-Control-Expose-Headers"] = EXPOSED
            if "*" in origins:
                headers["Access-Control-Allow-Origin"] = "*"
            else:
                headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                headers["Access-Control-Allow-Credentials"] = "true"
        return response

    return allowing


def _allowed(origins: Sequence[str]) -> bool:
    origin = request.headers.get("Origin")
    return origin is not None and ("*" in origins or origin.lower() in origins)
