"""What the journal has of one exchange, and what a journal is."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from llm_proxy.records.exchange import Exchange

UNCOUNTED = -1
"""In place of the number of warnings of a request that nobody has looked into so far."""


class Entry(Struct, frozen=True, kw_only=True, rename="camel"):
    """One exchange, as it is listed.

    `request` is its body as it was sent, but for secrets: one that is longer than
    `MAX_REQUEST_BYTES` is left out, one that is no JSON stands in a string. `time` is when it
    came, in Unix seconds; `origin` is which source answered. `first_ms` and `duration_ms` are
    counted from then to the first thing that was said, and to the end. `over` says whether
    that has come: the last bytes of an answer may be on their way. `warning_count` counts those
    that there are, even if `Found` has no room for all. `question` and `answer` are the
    beginnings of what was asked and said.
    """

    id: str
    time: float
    namespace: str
    method: str
    path: str
    status: int
    model: str | None
    stream: bool
    request: msgspec.Raw
    request_bytes: int
    response_bytes: int
    outcome: str
    over: bool
    origin: str
    first_ms: float | None
    duration_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    event_count: int
    warning_count: int
    client: str
    question: str
    answer: str

    @property
    def is_too_long(self) -> bool:
        """Whether the request was too long to be kept."""
        return self.request_bytes > MAX_REQUEST_BYTES


class Account(NamedTuple):
    """What is written down of an exchange: what is listed, and the rest as JSON and text.

    `listed` are the fields of an `Entry` in their order, with the request as a text: to make an
    entry of them first would slow every answer. `sender` is what the headers of the request
    tell, `details` has the other details, `answered` the headers of the answer, and `response`
    is its beginning, unless it is left out for the sake of a secret.
    """

    listed: Sequence[Any]
    sender: str
    details: str
    answered: str
    response: str
    timeline: bytes


def entry_of(listed: Sequence[Any]) -> Entry:
    """The entry that has these fields, as they are written down."""
    values = dict(zip(Entry.__struct_fields__, listed, strict=True))
    values["stream"], values["over"] = bool(values["stream"]), bool(values["over"])
    values["request"] = msgspec.Raw(values["request"].encode())
    return Entry(**values)


class Found(Struct, frozen=True):
    """One exchange with all that is kept of it.

    `hindsight.NOTHING` tells what is in `details`; beside it there is the `timeline`.
    """

    number: int
    entry: Entry
    details: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """All as one JSON object."""
        entry: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.entry))
        return entry | dict(self.details)


class Wanted(Struct, frozen=True, kw_only=True):
    """Which exchanges are wanted; None asks for nothing.

    `path` is a part of the path, `text` of what was asked or answered, and `model` the whole
    name. `status` is one, or a class of them as `4xx`. `before` is an id: of those that came
    earlier; `after` is a number: of those that were written down later.
    """

    namespace: str | None = None
    path: str | None = None
    model: str | None = None
    status: str | None = None
    outcome: str | None = None
    text: str | None = None
    before: str | None = None
    after: int | None = None
    limit: int = 1000


MAX_REQUEST_BYTES = 256 * 1024


class Journal(Protocol):
    """The last exchanges of a server, shared by all of its workers.

    Who reads finds every exchange whose answer a client had, whichever worker gave it.
    """

    def record(self, exchange: Exchange) -> None:
        """Have an exchange written down soon, as it is then; the caller does not wait."""

    def read(self, wanted: Wanted) -> Sequence[Entry]:
        """The exchanges that are wanted, the newest first."""

    def found(self, wanted: Wanted) -> Sequence[Found]:
        """The same, with all that is kept of them."""

    def find(self, id: str) -> Found | None:  # noqa: A002
        """The exchange that has this id, if it is kept."""

    def latest(self) -> int:
        """The number of the exchange that was written down last."""

    def since(self, number: int, unfinished: Sequence[int]) -> Sequence[tuple[int, Entry]]:
        """What was written down after a number, and those of the `unfinished` that are over.

        The oldest first, each with its number. Asked often, so it does not wait for those
        that are still to be written.
        """

    def clear(self, namespace: str | None = None) -> int:
        """Forget all exchanges, or those of one namespace; how many there were."""

    def dropped(self) -> int:
        """How many exchanges were not written down, as they came faster than they could be."""
