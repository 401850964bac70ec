"""Mishaps: what goes wrong with the bytes of an answer on their way, when a `WireFault` says so.

Pure: the bytes of an answer in, what is to happen on the wire out. Knows no API and no
socket; who plays it is `streaming`.
"""

from collections.abc import Generator, Iterable, Iterator

from msgspec import Struct

from llm_proxy.reply import Pause, WireFault


class Cut(Struct, frozen=True):
    """The connection ends here, in the middle of the answer.

    `reset`: by a TCP reset (RST) instead of an orderly end (FIN), RFC 9293, 3.5.
    """

    reset: bool = False


Wire = bytes | Pause | Cut
"""What happens on the wire: bytes go out, time passes in silence, the connection ends."""


def mishap(chunks: Iterable[bytes], fault: WireFault) -> Generator[Wire, None, None]:
    """What becomes of a stream of server-sent events; each chunk holds whole ones.

    What stands behind a `Cut` does not happen.
    """
    for count, event in enumerate(_single(chunks)):
        if count == fault.after:
            match fault.kind:
                case "disconnect":
                    yield Cut()
                case "reset":
                    yield Cut(reset=True)
                case "truncate":
                    return
        yield event


def document_mishap(document: bytes, fault: WireFault) -> Generator[Wire, None, None]:
    """What becomes of an answer that is one JSON document."""
    half = len(document) // 2
    match fault.kind:
        case "disconnect" | "reset":
            yield document[:half]
            yield Cut(reset=fault.kind == "reset")
        case "truncate":
            yield document[:half]
        case _:
            yield document


def _single(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The server-sent events in the chunks, one by one."""
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n\n", start)) >= 0:
            yield chunk[start : end + 2]
            start = end + 2
