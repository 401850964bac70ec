"""The question: what of a conversation is sent to the legacy API, and as which URL.

Pure: a request in, text out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote_plus, unquote_plus, urlsplit, urlunsplit

from llm_proxy.adapter.context import without_context
from llm_proxy.core.chat_request import ChatRequest, Endpoint
from llm_proxy.errors import InvalidRequest

PARAMS: Mapping[Endpoint, str] = {
    "chat": "messages",
    "completions": "prompt",
    "responses": "input",
}
"""The field of a request that the question is looked for in."""


def question(request: ChatRequest) -> str:
    """What the last user message asks, however deep in the conversation it is.

    The files and snippets that an editor puts in front of it are left out.

    Raises:
        InvalidRequest: there is no user message, or it holds no text.
    """
    text = without_context(request.last_user_text())
    if not text:
        raise InvalidRequest(
            "There is nothing to search for: no message with role 'user' holds any text.",
            param=PARAMS[request.endpoint],
        )
    return text


def search_url(
    url: str,
    query_param: str,
    query: str,
    max_query_bytes: int,
    params: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """`url` with its query string kept as it is written, and `params` and `query_param` set in
    it, replacing those that are there.

    The query is cut to `max_query_bytes` of its encoded form, between two characters: common
    servers refuse request lines beyond some thousand bytes (RFC 9110, 15.5.15: 414).
    """
    parts = urlsplit(url)
    kept = [
        pair
        for pair in parts.query.split("&")
        if pair and unquote_plus(pair.partition("=")[0]) not in (query_param, *params)
    ]
    kept += (f"{quote_plus(name)}={quote_plus(value)}" for name, value in params.items())
    kept.append(f"{quote_plus(query_param)}={_encoded(query, max_query_bytes)}")
    return urlunsplit(parts._replace(query="&".join(kept), fragment=""))


def _encoded(text: str, max_bytes: int) -> str:
    """As much of the beginning of `text`, encoded, as there is room for.

    Half a surrogate pair, which no URL can carry, becomes a question mark.
    """
    whole = quote_plus(text[: max_bytes + 1], errors="replace")
    if len(whole) <= max_bytes:
        return whole
    encoded: list[str] = []
    room = max_bytes
    for character in text:
        encoded.append(quote_plus(character, errors="replace"))
        room -= len(encoded[-1])
        if room < 0:
            encoded.pop()
            break
    return "".join(encoded)
