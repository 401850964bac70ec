"""What goes wrong with the bytes of an answer, as lists of what happens on the wire."""

import json
import math

import pytest

from llm_proxy.core.reply import Pause, WireFault, WireFaultKind
from llm_proxy.openai_api import sse
from llm_proxy.shell.mishaps import (
    DOCUMENT_KINDS,
    PIECE_BYTES,
    PIECE_SECONDS,
    Cut,
    Missed,
    Wire,
    document_mishap,
    mishap,
)

A, B, C = (b'data: {"n":%d}\n\n' % number for number in range(3))
TYPED = b'event: response.created\ndata: {"n":9}\n\n'
CHUNKS = (A, B + C, sse.DONE)
DOCUMENT = '{"a":"é"}'.encode()

EVENTS: list[tuple[WireFault, list[Wire]]] = [
    (WireFault("disconnect", 1), [A, Cut("disconnect")]),
    (WireFault("disconnect"), [Cut("disconnect")]),
    (WireFault("disconnect", 1, 2.5), [A, Pause(2.5), Cut("disconnect")]),
    (WireFault("reset", 2), [A, B, Cut("reset")]),
    (WireFault("truncate", 3), [A, B, C, Cut("end")]),
    (WireFault("stall", 1), [A, Pause(math.inf), B, C, sse.DONE]),
    (WireFault("stall", 2, 7), [A, B, Pause(7), C, sse.DONE]),
    (WireFault("malformed", 1), [A, b'data: {,"n":1}\n\n', C, sse.DONE]),
    (WireFault("malformed", 3), [A, B, C, b"data: [,DONE]\n\n"]),
    (WireFault("duplicate", 1), [A, B, B, C, sse.DONE]),
    (WireFault("coalesce", 1), [A, B + C + sse.DONE]),
    (WireFault("crlf", 2), [A, B, b'data: {"n":2}\r\n\r\n', b"data: [DONE]\r\n\r\n"]),
    (WireFault("no_space", 2), [A, B, b'data:{"n":2}\n\n', b"data:[DONE]\n\n"]),
    (WireFault("multi_line", 2), [A, B, b'data: {\ndata: "n":2\ndata: }\n\n', sse.DONE]),
    (WireFault("no_final_blank_line"), [A, B, C, b"data: [DONE]\n"]),
    (
        WireFault("comment", 2),
        [
            *(A, B, b": a comment between two events\n\n" + C),
            b": a comment between two events\n\n" + sse.DONE,
        ],
    ),
    (
        WireFault("slow_drip", 3, 0.5),
        [A, B, C, sse.DONE],  # shorter than a piece
    ),
]


def wire(fault: WireFault, *chunks: bytes) -> list[Wire]:
    """What happens, up to the end of the connection."""
    happened: list[Wire] = []
    for item in mishap(chunks, fault):
        happened.append(item)
        if isinstance(item, Cut):
            break
    return happened


@pytest.mark.parametrize(("fault", "expected"), EVENTS, ids=lambda value: str(value)[:60])
def test_a_fault_strikes_where_it_is_asked_to(fault: WireFault, expected: list[Wire]) -> None:
    assert wire(fault, *CHUNKS) == expected


@pytest.mark.parametrize(
    "kind",
    [
        *("disconnect", "reset", "truncate", "stall", "malformed", "duplicate"),
        *("slow_drip", "split_utf8", "coalesce", "crlf", "no_space", "multi_line", "comment"),
        "no_final_blank_line",
    ],
)
def test_a_fault_behind_the_end_does_not_happen(kind: WireFaultKind) -> None:
    assert wire(WireFault(kind, 4), *CHUNKS) == [A, B, C, sse.DONE, Missed()]


def test_a_comment_is_passed_on_and_not_counted() -> None:
    chunks = (sse.KEEP_ALIVE, A, sse.KEEP_ALIVE, B)
    assert wire(WireFault("disconnect", 1), *chunks) == [
        *(sse.KEEP_ALIVE, A, sse.KEEP_ALIVE),
        Cut("disconnect"),
    ]
    assert wire(WireFault("duplicate"), *chunks) == [sse.KEEP_ALIVE, A, A, sse.KEEP_ALIVE, B]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("malformed", b'event: response.created\ndata: {,"n":9}\n\n'),
        ("no_space", b'event:response.created\ndata:{"n":9}\n\n'),
        ("crlf", b'event: response.created\r\ndata: {"n":9}\r\n\r\n'),
        ("multi_line", b'event: response.created\ndata: {\ndata: "n":9\ndata: }\n\n'),
    ],
)
def test_an_event_with_a_type_keeps_it(kind: WireFaultKind, expected: bytes) -> None:
    assert wire(WireFault(kind), TYPED) == [expected]


def test_a_slow_drip_is_the_same_bytes_in_small_pieces() -> None:
    dripped = wire(WireFault("slow_drip", 0, 0.25), TYPED)
    assert dripped[1::2] == [Pause(0.25)] * (len(dripped) // 2)
    pieces = [piece for piece in dripped[::2] if isinstance(piece, bytes)]
    assert b"".join(pieces) == TYPED
    assert {len(piece) for piece in pieces[:-1]} == {PIECE_BYTES}


def test_each_character_of_several_bytes_is_cut() -> None:
    event = 'data: {"x":"aé😀"}\n\n'.encode()
    assert wire(WireFault("split_utf8"), event) == [
        b'data: {"x":"a\xc3',
        Pause(PIECE_SECONDS),
        b"\xa9\xf0",
        Pause(PIECE_SECONDS),
        b'\x9f\x98\x80"}\n\n',
    ]


def test_the_lines_of_a_spread_event_are_the_same_document() -> None:
    """WHATWG HTML, 9.2.6: data fields are joined by line feeds."""
    document = b'{"choices":[{"delta":{"content":"a } b\\n{"}}],"usage":{}}'
    (spread,) = wire(WireFault("multi_line"), sse.data(document))
    assert isinstance(spread, bytes)
    lines = [line.removeprefix(b"data: ") for line in spread.removesuffix(b"\n\n").split(b"\n")]
    assert json.loads(b"\n".join(lines)) == json.loads(document)


DOCUMENTS: list[tuple[WireFault, list[Wire]]] = [
    (WireFault("disconnect", 3), [b'{"a":', Cut("disconnect")]),
    (WireFault("reset"), [b'{"a":', Cut("reset")]),
    (WireFault("reset", 0, 1), [b'{"a":', Pause(1), Cut("reset")]),
    (WireFault("truncate"), [b'{"a":', Cut("end")]),
    (WireFault("stall"), [b'{"a":', Pause(math.inf), '"é"}'.encode()]),
    (WireFault("stall", 0, 3), [b'{"a":', Pause(3), '"é"}'.encode()]),
    (WireFault("malformed"), ['{,"a":"é"}'.encode()]),
    (WireFault("split_utf8", 0, 1), [b'{"a":"\xc3', Pause(1), b'\xa9"}']),
    (WireFault("slow_drip", 0, 1), [DOCUMENT]),
]


@pytest.mark.parametrize(("fault", "expected"), DOCUMENTS, ids=lambda value: str(value)[:60])
def test_a_document_has_faults_of_its_own(fault: WireFault, expected: list[Wire]) -> None:
    assert list(document_mishap(DOCUMENT, fault)) == expected
    assert fault.kind in DOCUMENT_KINDS


@pytest.mark.parametrize(
    "kind",
    [
        *("duplicate", "coalesce", "crlf", "no_space", "multi_line", "comment"),
        "no_final_blank_line",
    ],
)
def test_a_fault_of_events_leaves_a_document_whole(kind: WireFaultKind) -> None:
    assert list(document_mishap(DOCUMENT, WireFault(kind))) == [DOCUMENT]
    assert kind not in DOCUMENT_KINDS


def test_a_long_document_drips() -> None:
    document = b"x" * (3 * PIECE_BYTES)
    piece = b"x" * PIECE_BYTES
    dripped = list(document_mishap(document, WireFault("slow_drip")))
    assert dripped == [piece, Pause(PIECE_SECONDS), piece, Pause(PIECE_SECONDS), piece]
