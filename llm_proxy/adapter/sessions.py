"""Sessions: which session of the search API a request belongs to.

Pure: a request in, query parameters out. The API trusts whoever names a session, so what
clients send never reaches it: it sees a keyed hash, which nobody without the key can aim at
a session that they know.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping

import msgspec

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.namespaces import bearer_key
from llm_proxy.settings import AdapterSettings

DIGITS = 32
"""Hexadecimal digits of a session: 128 bits, which do not collide by chance."""


def session_params(request: ChatRequest, settings: AdapterSettings) -> dict[str, str]:
    """The session as a query parameter; none where the request does not tell whose it is.

    All that a request tells by the `session_from` of the settings counts, its API key
    included: one user's session can be reached neither by naming the user with another key
    nor by repeating a number that somebody else chose.
    """
    told = list(_told(request, settings.session_from))
    if not told:
        return {}
    key = settings.session_key.encode(errors="surrogateescape")
    whose = msgspec.json.encode([bearer_key(request.headers), told])
    digest = hmac.new(key, whose, hashlib.sha256).hexdigest()
    return {settings.session_param: digest[:DIGITS]}


def _told(request: ChatRequest, places: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for place in places:
        value = _at(request, place)
        if isinstance(value, str) and value.strip():
            # What UTF-8 cannot carry is not refused here: it is only hashed.
            yield place, value.strip().encode(errors="replace").decode()


def _at(request: ChatRequest, place: str) -> object:
    """What stands in one of the places that `settings.rules.session_sources` knows."""
    kind, _, name = place.partition(":")
    if kind == "header":
        return request.headers.get(name.lower())
    if kind == "api_key":
        return bearer_key(request.headers)
    value: object = request.document
    for step in place.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
