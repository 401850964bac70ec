"""Dialects: what one event of a search API says, each in a module of its own.

Pure: the payload of a server-sent event in, meanings out.
"""

from llm_proxy.adapter.dialects import legacy
from llm_proxy.adapter.dialects.mapped import Mapped
from llm_proxy.adapter.dialects.meaning import Dialect, Words
from llm_proxy.settings.event_fields import EventFields


def dialect_of(fields: EventFields | None) -> Dialect:
    """The dialect that looks into these fields; without any, that of the legacy API."""
    return legacy.understand if fields is None else Mapped(fields)


def words_of(fields: EventFields | None) -> Words | None:
    """A short way for payloads that are nothing but words, where the dialect has one."""
    return legacy.words if fields is None else None
