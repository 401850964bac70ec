"""Mishaps: what goes wrong with the bytes of an answer on their way, when a `WireFault` says so.

Pure: the bytes of an answer in, what is to happen on the wire out. Knows no API and no
socket; who plays it is `pieces`. The rules of server-sent events that it bends or breaks
are those of WHATWG HTML, 9.2.
"""

import math
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from llm_proxy.core.reply import Pause, WireFault, WireFaultKind

PIECE_BYTES = 16
"""Length of the pieces of a `slow_drip`."""

PIECE_SECONDS = 0.01
"""Time between two pieces of a reply, where nothing else is said."""


class Cut(Struct, frozen=True):
    """The answer ends here: as if this were all, or with the connection.

    The connection ends in order (FIN) or by a reset (RST), RFC 9293, 3.5 and 3.6.
    """

    how: Literal["end", "disconnect", "reset"]


class Missed(Struct, frozen=True):
    """The answer is over, and nothing has gone wrong with it."""


Wire = bytes | Pause | Cut | Missed
"""What happens on the wire: bytes go out in one write, time passes in silence, it ends."""

DOCUMENT_KINDS: frozenset[WireFaultKind] = frozenset(
    ("disconnect", "reset", "truncate", "malformed", "stall", "slow_drip", "split_utf8")
)
"""The kinds that a JSON document knows, too. The others are about events, and leave it whole."""


def mishap(chunks: Iterable[bytes], fault: WireFault) -> Generator[Wire, None, None]:
    """What becomes of a stream of server-sent events; each chunk holds whole ones.

    Once, in the place of event number `after`, counted from 0 without comments:

    - `disconnect`, `reset`: the connection ends, after `seconds` of silence if there are any;
    - `truncate`: the answer ends, as if it were complete;
    - `stall`: silence, for `seconds` or until the client leaves; then the reply goes on;
    - `malformed`: the event carries something that is no JSON;
    - `duplicate`: the event comes twice.

    To that event and all behind it:

    - `slow_drip`: they come in small pieces, with `seconds` between them;
    - `split_utf8`: they are cut inside each character of several bytes, with `seconds` between;
    - `coalesce`: they come all together in one write, when the last one is there;
    - `crlf`: their lines end with CR LF;
    - `no_space`: no space stands behind the colon of a field;
    - `multi_line`: the JSON is spread over several `data` fields;
    - `comment`: a comment stands before each of them;
    - `no_final_blank_line`: the last one, whichever it is, ends without a blank line, so that
      a client must not see it. Each event is sent when the next one is there.

    A fault that lies behind the end of the reply does not happen: `Missed` is last then. What
    stands behind a `Cut` does not happen either.
    """
    strikes = False
    once, lasting = _ONCE.get(fault.kind), _LASTING.get(fault.kind)
    counted = _counted(chunks)
    for count, event in counted:
        if count < fault.after or (once and (count > fault.after or _is_comment(event))):
            yield event
            continue
        strikes = True
        if once:
            yield from once(event, fault)
        elif lasting:
            yield from lasting(event, fault)
        else:
            rest = _with_first(event, counted)
            yield from _joined(rest) if fault.kind == "coalesce" else _unfinished(rest)
    if not strikes:
        yield Missed()


def document_mishap(document: bytes, fault: WireFault) -> Generator[Wire, None, None]:
    """What becomes of an answer that is one JSON document; `after` means nothing to it.

    - `disconnect`, `reset`: half of it, then the end of the connection;
    - `truncate`: half of it, as if that were all;
    - `stall`: half of it, then silence, then the rest;
    - `malformed`, `slow_drip`, `split_utf8`: as with events.
    """
    half = len(document) // 2
    match fault.kind:
        case "disconnect" | "reset" | "truncate":
            yield document[:half]
            yield from _cut(document, fault)
        case "stall":
            yield document[:half]
            yield from _stalled(document[half:], fault)
        case "malformed":
            yield document[:1] + b"," + document[1:]
        case "slow_drip":
            yield from _dripping(document, fault)
        case "split_utf8":
            yield from _split(document, fault)
        case _:
            yield document


def _cut(_: bytes, fault: WireFault) -> Iterator[Wire]:
    if fault.seconds:
        yield Pause(fault.seconds)
    match fault.kind:
        case "disconnect" | "reset" as how:
            yield Cut(how)
        case _:
            yield Cut("end")


def _stalled(event: bytes, fault: WireFault) -> Iterator[Wire]:
    yield Pause(math.inf if fault.seconds is None else fault.seconds)
    yield event


def _twice(event: bytes, _: WireFault) -> Iterator[Wire]:
    yield event
    yield event


def _in_pieces(pieces: Iterable[bytes], fault: WireFault) -> Iterator[Wire]:
    between = Pause(PIECE_SECONDS if fault.seconds is None else fault.seconds)
    for number, piece in enumerate(pieces):
        if number:
            yield between
        yield piece


def _dripping(event: bytes, fault: WireFault) -> Iterator[Wire]:
    starts = range(0, len(event), PIECE_BYTES)
    return _in_pieces((event[start : start + PIECE_BYTES] for start in starts), fault)


def _split(event: bytes, fault: WireFault) -> Iterator[Wire]:
    return _in_pieces(re.split(rb"(?<=[\xc0-\xff])", event), fault)


def _rewritten(pattern: bytes, by: bytes) -> "_Change":
    """A change of each place in an event that fits the pattern."""
    compiled = re.compile(pattern, re.MULTILINE)

    def change(event: bytes, _: WireFault) -> Iterator[Wire]:
        yield compiled.sub(by, event)

    return change


def _joined(events: Iterable[bytes]) -> Iterator[Wire]:
    yield b"".join(events)


def _unfinished(events: Iterable[bytes]) -> Iterator[Wire]:
    held = b""
    for event in events:
        if held:
            yield held
        held = event
    yield held.removesuffix(b"\n")


_Change = Callable[[bytes, WireFault], Iterator[Wire]]

_ONCE: Mapping[WireFaultKind, _Change] = {
    "disconnect": _cut,
    "reset": _cut,
    "truncate": _cut,
    "stall": _stalled,
    "malformed": _rewritten(rb"^data: (.)", rb"data: \1,"),
    "duplicate": _twice,
}
_LASTING: Mapping[WireFaultKind, _Change] = {
    "slow_drip": _dripping,
    "split_utf8": _split,
    "crlf": _rewritten(rb"\n", b"\r\n"),
    "no_space": _rewritten(rb"^(data|event): ", rb"\1:"),
    "multi_line": _rewritten(rb"^data: \{(.*)\}$", rb"data: {\ndata: \1\ndata: }"),
    "comment": _rewritten(rb"\A(?!:)", b": a comment between two events\n\n"),
}


def _counted(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The server-sent events and the comments in the chunks, with the number of events before."""
    count = 0
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n\n", start)) >= 0:
            event = chunk[start : end + 2]
            yield count, event
            count += not _is_comment(event)
            start = end + 2


def _is_comment(event: bytes) -> bool:
    return event.startswith(b":")


def _with_first(first: bytes, counted: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    yield first
    for _, event in counted:
        yield event
