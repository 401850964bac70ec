"""What an event can say: the nouns that every dialect speaks in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct


class Word(Struct, frozen=True, gc=False):
    """A piece of the answer's text."""

    text: str


class Citation(Struct, frozen=True, gc=False):
    """A document that the answer rests on; its title and its address where they are told."""

    id: str
    title: str = ""
    url: str = ""


class End(Struct, frozen=True):
    """The answer is complete. Most deployments just end the body."""


class Other(Struct, frozen=True):
    """Something that is neither text nor citation."""


Meaning = Word | Citation | End | Other

Dialect = Callable[[str], tuple[Meaning, ...]]
"""From the payload of one event to what it says, at least one meaning; it never fails."""

Words = Callable[[Sequence[str]], list[str] | None]
"""From payloads to their texts, if each of them says one word and nothing else."""


def citation_of(
    told: object, id_field: str = "id", title_field: str = "title", url_field: str = "url"
) -> Citation | Other:
    """The citation in a string, in a number, or in an object with fields of these names.

    An object without an id is known by its address, else by its title.

    Raises:
        ValueError, RecursionError: it holds something that cannot be written down.
    """
    if not isinstance(told, Mapping):
        return Other() if told is None or isinstance(told, bool) else Citation(text_of(told))
    fields: list[Any] = [told.get(name) for name in (id_field, title_field, url_field)]
    number, title, url = ("" if field is None else text_of(field) for field in fields)
    known_as = number or url or title
    return Citation(known_as, title, url) if known_as else Other()


def text_of(data: object) -> str:
    """`data` as text that UTF-8 can carry: a literal may spell half a surrogate pair.

    Raises:
        ValueError, RecursionError: a number too long to be written, lists too deep.
    """
    text = str(data)
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
