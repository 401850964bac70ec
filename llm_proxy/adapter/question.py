"""The question: what of a conversation is sent to the legacy API, and as which URL.

Pure: a request in, text out.
"""

from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit, urlunsplit

from llm_proxy.errors import InvalidRequest
from llm_proxy.reply import ChatRequest


def question(request: ChatRequest) -> str:
    """The text of the last user message, however deep in the conversation it is.

    Raises:
        InvalidRequest: there is no user message, or it holds no text.
    """
    text = request.last_user_text().strip()
    if not text:
        raise InvalidRequest(
            "There is nothing to search for: no message with role 'user' holds any text.",
            param="messages",
        )
    return text


def search_url(url: str, query_param: str, query: str, max_query_bytes: int) -> str:
    """`url` with its query string kept and `query_param` set, replacing one that is there.

    The query is cut to `max_query_bytes` of its encoded form, between two characters: common
    servers refuse request lines beyond some thousand bytes (RFC 9110, 15.5.15: 414).
    """
    parts = urlsplit(url)
    kept = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != query_param
    ]
    kept.append((query_param, _cut(query, max_query_bytes)))
    return urlunsplit(parts._replace(query=urlencode(kept), fragment=""))


def _cut(text: str, max_encoded_bytes: int) -> str:
    """The longest beginning of `text` that is not longer than that when it is encoded."""
    room = max_encoded_bytes
    for position, character in enumerate(text):
        room -= len(quote_plus(character))
        if room < 0:
            return text[:position]
    return text
