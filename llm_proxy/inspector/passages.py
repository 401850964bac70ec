"""A text as people read it: prose, and the code that is fenced in it (CommonMark, 4.5).

Nothing else of Markdown is looked at: what a client sent is to be seen as it was sent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)$", re.MULTILINE)


@dataclass(frozen=True)
class Passage:
    """A piece of a text. `info` is what stands behind the fence, often a language."""

    text: str
    code: bool = False
    info: str = ""


def passages(text: str) -> list[Passage]:
    """The pieces of a text, in their order; those that are nothing but white space left out."""
    return [piece for piece in _cut(text) if piece.text.strip() or piece.code]


def _cut(text: str) -> Iterator[Passage]:
    at = 0
    while opening := _FENCE.search(text, at):
        yield Passage(text[at : opening.start()].strip("\n"))
        begin = min(opening.end() + 1, len(text))
        end, at = _closing(text, begin, opening[1])
        yield Passage(text[begin:end].removesuffix("\n"), code=True, info=opening[2].strip())
    yield Passage(text[at:].strip("\n"))


def _closing(text: str, begin: int, fence: str) -> tuple[int, int]:
    """Where the code ends, and where the text goes on; an open fence holds to the end."""
    for found in _FENCE.finditer(text, begin):
        if found[1].startswith(fence) and not found[2].strip():
            return found.start(), found.end()
    return len(text), len(text)
