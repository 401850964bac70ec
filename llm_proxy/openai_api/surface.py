"""What a surface is: one endpoint that takes a request and answers with a reply.

Knows no endpoint in particular; the table of them is `openai_api.surfaces`.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import Reply, Said, Stamped, TextDelta, TextRun
from llm_proxy.errors import ProxyError
from llm_proxy.store import Stored

FINGERPRINT = "fp_11ab0c57e5"
"""`system_fingerprint`: one backend, always the same."""


class Stamp(Struct, frozen=True):
    """What is the same in all chunks of a reply: an id without prefix, and Unix seconds.

    `given` is a whole id that takes the place of one made of `id`. Of a `verbatim` reply that
    is left out which its source did not say, and nothing made up.
    """

    id: str
    created: int
    given: str | None = None
    fingerprint: str | None = FINGERPRINT
    service_tier: str | None = None
    verbatim: bool = False

    def named(self, prefix: str) -> str:
        """The id of an object of the kind that has this prefix."""
        return self.given or prefix + self.id


def signed(request: ChatRequest, stamp: Stamp, stamped: Stamped) -> tuple[ChatRequest, Stamp]:
    """The request and the stamp that a reply is written down for, as its source signed it."""
    if stamped.model is not None:
        request = replace(request, model=stamped.model)
    fingerprint = stamped.fingerprint
    if stamped.verbatim:
        # Its log probabilities did not come with it, and made up they would contradict it.
        request = replace(request, top_logprobs=None)
    else:
        fingerprint = fingerprint or stamp.fingerprint
    return request, Stamp(
        stamp.id,
        created=stamp.created if stamped.created is None else stamped.created,
        given=stamped.id,
        fingerprint=fingerprint,
        service_tier=stamped.service_tier,
        verbatim=stamped.verbatim,
    )


class Encoder(Protocol):
    """Writes what is said in one reply down as server-sent events, as it comes.

    The bytes for one event hold whole server-sent events, or nothing where the surface has
    nothing to say about it. After `fail` or `end` nothing more is asked of it.
    """

    @abstractmethod
    def encode(self, event: Said) -> bytes:
        """Bytes for one event."""

    def encode_run(self, run: TextRun) -> bytes:
        """Bytes for each piece of a run, as if it came by itself."""
        return b"".join([self.encode(TextDelta(piece, run.choice)) for piece in run.pieces])

    @abstractmethod
    def fail(self, error: ProxyError) -> bytes:
        """Bytes that tell of an error in the middle; the stream ends with them."""

    @abstractmethod
    def end(self) -> bytes:
        """Bytes that close a stream which ended well."""


class Surface(Struct, frozen=True):
    """One endpoint below a base such as `/v1`.

    `parse` raises `InvalidRequest`, naming the field; `encoder` begins a stream; `body`
    writes a whole reply as one JSON document, which has an `id`. `resumed` puts what a
    request refers to, found by the id of its reply, into it; it raises where that is not stored.
    """

    path: str
    parse: Callable[[bytes], ChatRequest]
    encoder: Callable[[ChatRequest, Stamp], Encoder]
    body: Callable[[Reply, ChatRequest, Stamp], bytes]
    resumed: Callable[[ChatRequest, Callable[[str], Stored | None]], ChatRequest] | None = None
