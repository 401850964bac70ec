"""What a call of the control API may come from, and which namespace it is about."""

from collections.abc import Mapping

from llm_proxy.errors import Forbidden, InvalidRequest, UnsupportedMediaType
from llm_proxy.shell.browsers import is_foreign

MEDIA_TYPE = "application/json"

MAX_DIGITS = 9
"""Of a number in a query."""


def refuse_foreign(headers: Mapping[str, str]) -> None:
    """See to it that the call does not come from a page of another site.

    Raises:
        Forbidden: it does.
    """
    if is_foreign(headers):
        origin, host = headers.get("origin"), headers.get("host", "")
        seen = f": its origin is {origin!r}, and this is {host!r}" if origin is not None else ""
        raise Forbidden(f"The control API may not be called from a page of another site{seen}.")


def refuse_other_media(media_type: str) -> None:
    """See to it that a body is JSON by name, which a form of a foreign page cannot send.

    Raises:
        UnsupportedMediaType: it is not.
    """
    if media_type != MEDIA_TYPE:
        seen = f"not {media_type!r}" if media_type else "and the request names no Content-Type"
        raise UnsupportedMediaType(f"The body must be {MEDIA_TYPE}, {seen}.")


def namespace_asked(
    headers: Mapping[str, str], query: Mapping[str, str], in_body: str | None = None
) -> str | None:
    """The namespace that the call is about; None for a call that is not about one.

    It is named by `X-Mock-Namespace`, in the query or in the body. In the latter two it may be
    empty: what was set for all, and the requests that have none. The API key of the call says
    who calls, and not about what.

    Raises:
        InvalidRequest: two different ones are named.
    """
    places = (
        headers.get("x-mock-namespace", "").strip() or None,  # as for any other request
        query.get("namespace"),
        in_body,
    )
    named = list(dict.fromkeys(place for place in places if place is not None))
    if len(named) > 1:
        raise InvalidRequest(
            f"The call names two namespaces: {named[0]!r} and {named[1]!r}.", param="namespace"
        )
    return named[0] if named else None


def limit_asked(query: Mapping[str, str], most: int) -> int:
    """The number of items that the query asks for, all there can be by default.

    Raises:
        InvalidRequest: it asks for another number, or for what is none.
    """
    asked = query.get("limit", str(most))
    is_number = asked.isascii() and asked.isdigit() and len(asked) <= MAX_DIGITS
    if not (is_number and 1 <= int(asked) <= most):
        raise InvalidRequest(
            f"Invalid value for 'limit': {asked[:100]!r} is not a whole number from 1 to {most}.",
            param="limit",
            code="invalid_value",
        )
    return int(asked)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Whether the query asks for something that is only asked for or not.

    Raises:
        InvalidRequest: it says neither.
    """
    asked = query.get(name, "false")
    if asked not in ("true", "false"):
        raise InvalidRequest(
            f"Invalid value for '{name}': {asked!r} is neither 'true' nor 'false'.",
            param=name,
            code="invalid_value",
        )
    return asked == "true"
