"""Event fields: where the events of a search API say what, as it is configured.

Owns the names of the keys and what is allowed in them. Must not know how an event is read.
"""

from typing import Any

import msgspec
from msgspec import Struct

from llm_proxy.settings.reading import nearest

EXAMPLE = '{"text": "delta.text"}'


class EventFields(Struct, frozen=True, kw_only=True):
    """Paths into an event, such as `choices.0.delta.content`: names and list indices.

    `text` leads to a piece of the answer, `citation` to a citation or to a list of them, and
    `type` to what kind of event it is. Where `text_types` or `citation_types` are given, an
    event of another type is not looked into; `end_types` end the answer. `citation_id`,
    `citation_title` and `citation_url` name the fields of a citation that is an object.
    """

    text: str
    citation: str = ""
    type: str = ""
    text_types: tuple[str, ...] = ()
    citation_types: tuple[str, ...] = ()
    end_types: tuple[str, ...] = ()
    citation_id: str = "id"
    citation_title: str = "title"
    citation_url: str = "url"


def dialect(raw: str) -> EventFields | None:
    """The rule of the setting: `legacy`, or a JSON object of event fields.

    Raises:
        ValueError: says what is wrong, and what is allowed.
    """
    if raw == "legacy":
        return None
    try:
        document = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError):
        raise ValueError(f"the value is neither legacy nor a JSON object like {EXAMPLE}") from None
    known = EventFields.__struct_fields__
    for key in document:
        if key not in known:
            near = nearest(key, known)
            hint = f"is it {near}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"a dialect has no key {key!r}; {hint}")
    try:
        fields = msgspec.convert(document, EventFields)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}".replace("Object", "a dialect").replace("$.", "")) from None
    if not fields.type and (fields.text_types or fields.citation_types or fields.end_types):
        raise ValueError("the types of a dialect need 'type', the path to the type of an event")
    return fields
