"""What a browser tells of a request: whose page it comes from, and who its user is.

Pure: the names of headers are in lower case.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping

CHALLENGE = 'Basic realm="LLM Proxy", charset="UTF-8"'
"""What has a browser ask its user for a key (RFC 7617, 2)."""


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site makes this request.

    Browsers tell (Fetch Standard, `Origin`; Fetch Metadata, `Sec-Fetch-Site`); other clients
    send neither header.
    """
    return _other_origin(headers) or headers.get("sec-fetch-site") == "cross-site"


def is_followed_link(headers: Mapping[str, str]) -> bool:
    """Whether the request is a link that somebody followed, from wherever: no page reads it."""
    return headers.get("sec-fetch-mode") == "navigate" and not _other_origin(headers)


def password(headers: Mapping[str, str]) -> str:
    """What the user of a browser gave as a password (RFC 7617), or an empty string.

    Browsers send it with every request, whichever page makes it, so that of another site's
    does not count, unless it is a link that somebody followed.
    """
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or (is_foreign(headers) and not is_followed_link(headers)):
        return ""
    try:
        return b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def can_ask(headers: Mapping[str, str]) -> bool:
    """Whether a browser would ask its user: it goes somewhere, or one of our pages calls."""
    accepts_pages = "text/html" in headers.get("accept", "")
    return accepts_pages or headers.get("sec-fetch-site") == "same-origin"


def _other_origin(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host", "")
