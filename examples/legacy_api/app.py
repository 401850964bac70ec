"""A stand-in for the legacy search API: it answers a query with the query's own words.

It owns the legacy wire format as a server writes it, in all three generations; it must know
nothing of OpenAI or of the proxy. Start it with `python app.py [--host HOST] [--port PORT]` or
with `uvicorn app:app`. The environment configures it; an empty value counts as unset, and
wrong values end the start with one message that lists them all:

LEGACY_GENERATION      text, literal or json: how one event is written (default literal)
LEGACY_DELAY_SECONDS   the pause between two words, 0 to 3600 (default 0.1)
LEGACY_DONE            1 ends every stream with `data: [DONE]` (default 0)
LEGACY_TOKEN           /stream asks for it, as a Bearer token or as the cookie `session`

GET /_standin/state is no part of the legacy API. It tells tests what this process was asked:
the last 100 queries and sessions, the streams now open, and those left before their end.
"""

import argparse
import asyncio
import json
import math
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel

MAX_CITATIONS = 10
MAX_DELAY_SECONDS = 3600
REQUESTS_KEPT = 100
SHUTDOWN_GRACE_SECONDS = 1

ENCODERS: Mapping[str, Callable[[dict[str, str]], str]] = {
    "text": lambda payload: payload["data"],
    "literal": repr,
    "json": json.dumps,
}


class SettingsError(ValueError):
    """Environment variables are wrong; the message has one line for each of them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment may change; the module's docstring explains each field."""

    generation: str = "literal"
    delay_seconds: float = 0.1
    done: bool = False
    token: str = ""


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Read the LEGACY_* variables; raise one SettingsError that lists every wrong one."""
    generation = environ.get("LEGACY_GENERATION") or Settings.generation
    delay = environ.get("LEGACY_DELAY_SECONDS") or str(Settings.delay_seconds)
    done = environ.get("LEGACY_DONE") or "0"
    token = environ.get("LEGACY_TOKEN") or Settings.token
    try:
        delay_seconds = float(delay)
    except ValueError:
        delay_seconds = math.nan
    problems = []
    if generation not in ENCODERS:
        problems.append(f"LEGACY_GENERATION: {generation!r} is not one of {', '.join(ENCODERS)}")
    if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
        allowed = f"a number from 0 to {MAX_DELAY_SECONDS}"
        problems.append(f"LEGACY_DELAY_SECONDS: {delay!r} is not {allowed}")
    if done not in ("0", "1"):
        problems.append(f"LEGACY_DONE: {done!r} is not 0 or 1")
    # The alphabet of RFC 6750, which a cookie can carry unquoted. The value stays out of logs.
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]*", token):
        problems.append("LEGACY_TOKEN: has a character other than letters, digits and ._~+/=-")
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(
        generation=generation, delay_seconds=delay_seconds, done=done == "1", token=token
    )


@dataclass(kw_only=True)
class Traffic:
    """What /stream was asked, oldest first, and how its streams went."""

    open_streams: int = 0
    closed_early: int = 0
    queries: deque[str] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))
    sessions: deque[str | None] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))


def current_settings(request: Request) -> Settings:
    """Return what the application serving this request was created with."""
    settings: Settings = request.app.state.settings
    return settings


def current_traffic(request: Request) -> Traffic:
    """Return the record kept by the application serving this request."""
    traffic: Traffic = request.app.state.traffic
    return traffic


CurrentSettings = Annotated[Settings, Depends(current_settings)]
CurrentTraffic = Annotated[Traffic, Depends(current_traffic)]


def require_login(request: Request, settings: CurrentSettings) -> None:
    """Send the client to the login page unless it brings the token, where one is set."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    bearer = credentials.strip() if scheme.lower() == "bearer" else None
    if settings.token and settings.token not in (bearer, request.cookies.get("session")):
        raise HTTPException(302, "Please log in.", headers={"Location": "/"})


async def answered(
    query: str, limit: int, settings: Settings, traffic: Traffic
) -> AsyncIterator[str]:
    """Yield server-sent events: a word each, then at most `limit` citations, then the end mark."""
    encode = ENCODERS[settings.generation]
    traffic.open_streams += 1
    try:
        for position, word in enumerate(query.split()):
            if position:
                await asyncio.sleep(settings.delay_seconds)
            yield f"data: {encode({'type': 'response', 'data': word})}\n\n"
        if settings.generation != "text":
            for number in range(1, min(limit, MAX_CITATIONS) + 1):
                yield f"data: {encode({'type': 'citation', 'data': str(number) * number})}\n\n"
        if settings.done:
            yield "data: [DONE]\n\n"
    except (asyncio.CancelledError, GeneratorExit):
        traffic.closed_early += 1
        raise
    finally:
        traffic.open_streams -= 1


class EventStream(StreamingResponse):
    """A streamed body of server-sent events; it stops when the client goes away."""

    media_type = "text/event-stream"


class Rating(BaseModel):
    """What a user thinks of an answer."""

    chat_id: str
    search_query: str
    rating: int


router = APIRouter()


@router.get("/stream", response_class=EventStream, dependencies=[Depends(require_login)])
async def stream(
    settings: CurrentSettings,
    traffic: CurrentTraffic,
    search_query: str,
    limit: Annotated[int, Query(alias="topNDocuments")] = 5,
    session: Annotated[str | None, Query(alias="sessionID")] = None,
) -> EventStream:
    """Answer a search query word by word, then cite at most topNDocuments documents."""
    traffic.queries.append(search_query)
    traffic.sessions.append(session)
    return EventStream(answered(search_query, limit, settings, traffic))


@router.post("/add_rating")
async def add_rating(rating: Rating) -> dict[str, Any]:
    """Accept a rating and repeat it."""
    return {"status": "success", "received_data": rating.model_dump()}


@router.get("/health")
async def health() -> dict[str, str]:
    """Tell that the API is up."""
    return {"status": "OK"}


@router.get("/", response_class=HTMLResponse)
async def login_page() -> str:
    """Show where an expired session ends up."""
    return "<!doctype html><title>Log in</title><p>Legacy search API: please log in.</p>\n"


@router.get("/home", response_class=HTMLResponse)
async def home_page() -> str:
    """Show where to read on."""
    return '<!doctype html><title>Home</title><p>Legacy search API: <a href="/docs">docs</a>.</p>\n'


@router.get("/_standin/state", include_in_schema=False)
async def state(traffic: CurrentTraffic) -> dict[str, Any]:
    """Report what /stream was asked; for tests, no part of the legacy API."""
    return asdict(traffic)


def create_app(settings: Settings) -> FastAPI:
    """Build the application with a record of its own."""
    app = FastAPI(title="Legacy search API (stand-in)")
    app.state.settings = settings
    app.state.traffic = Traffic()
    app.include_router(router)
    return app


try:
    app = create_app(settings_from(os.environ))
except SettingsError as error:
    raise SystemExit(str(error)) from None

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a stand-in for the legacy search API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: the system picks one")
    options = parser.parse_args()
    if not 0 <= options.port <= 65535:
        parser.error(f"--port: {options.port} is not a number from 0 to 65535")
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_SECONDS,
    )
