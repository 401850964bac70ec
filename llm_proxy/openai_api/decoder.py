"""What a decoder is: it reads a reply back from the bytes that an encoder wrote.

Knows no endpoint in particular. Whoever decodes is lenient: other servers leave fields out,
send null for them, and have fields of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

import msgspec
from msgspec import Struct

from llm_proxy.core.reply import Said, Stamped
from llm_proxy.openai_api.errors import passed_on

Decoded = Said | Stamped

Shape = TypeVar("Shape")

DONE = b"[DONE]"
"""The data of the event that ends a stream."""


class Misunderstood(ValueError):
    """What came is not what the API sends; the message says what is wrong with it."""


class Decoder(Protocol):
    """Reads one reply, as a stream or as one JSON document.

    What comes out is what a source yields: the signature, what is said, and one `Finish` for
    each choice, last, with the usage of the whole reply where it was told. Empty deltas are
    left out, and citations stand just before the `Finish` of their choice.
    """

    over: bool
    """Whether the reply is complete: nothing that may still come belongs to it."""

    def feed(self, payload: bytes) -> Sequence[Decoded]:
        """What the data of one server-sent event tells.

        Raises:
            Misunderstood: it is not what the API sends.
            PassedOn: it tells of an error.
        """

    def end(self) -> Sequence[Decoded]:
        """What is left to tell at the end of a stream.

        Raises:
            Misunderstood: the reply broke off.
        """

    def whole(self, document: bytes) -> Sequence[Decoded]:
        """What a whole reply tells; raises as `feed` does."""


def decoded(document: bytes, shape: type[Shape]) -> Shape:
    """A JSON document of this shape.

    Raises:
        Misunderstood: it has another one, or is no JSON.
        PassedOn: it tells of an error.
    """
    try:
        parsed = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Misunderstood("it is not JSON") from None
    if (error := passed_on(parsed)) is not None:
        raise error
    return converted(parsed, shape)


def converted(value: Any, shape: type[Shape]) -> Shape:
    """A value of this shape.

    Raises:
        Misunderstood: it has another one.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise Misunderstood(str(error)) from None


def raise_told(error: Mapping[str, Any]) -> NoReturn:
    """Raise the error that a stream told of.

    Raises:
        PassedOn: always.
    """
    told = passed_on({"error": error})
    assert told is not None
    raise told


class Signature(Struct):
    """What is known so far of how a reply is signed; some servers tell of it bit by bit."""

    id: str | None = None
    created: int | None = None
    model: str | None = None
    fingerprint: str | None = None
    service_tier: str | None = None

    def learn(self, **told: Any) -> None:
        """Take over what is told, unless it is empty: the first chunk of Azure is."""
        for name, value in told.items():
            if value:
                setattr(self, name, value)

    def stamped(self) -> Stamped:
        created = None if self.created is None else int(self.created)
        return Stamped(
            id=self.id,
            created=created,
            model=self.model,
            fingerprint=self.fingerprint,
            service_tier=self.service_tier,
        )


def citation_ids(citations: Any) -> tuple[str, ...]:
    """The ids that stand in a `citations` field, if it holds such."""
    if isinstance(citations, Sequence) and all(isinstance(one, str) for one in citations):
        return tuple(citations)
    return ()


def number(counts: Mapping[str, Any] | None, name: str) -> int:
    """A count that may be missing or null."""
    value = (counts or {}).get(name)
    return value if isinstance(value, int) else 0
