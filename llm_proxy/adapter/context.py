"""Context: the files and snippets that an editor puts in front of a question.

Continue writes them into the last user message: fenced blocks, some of them announced by a
sentence, and the question behind them. Open WebUI does so with what it has retrieved. Pure: text
in, text out.
"""

import re

ANNOUNCEMENTS = (
    "The following file is currently open.",
    "This is the currently open file:",
    "Use the above code to answer the following question.",
    "Use the above documentation to answer the following question.",
)
"""How a paragraph begins that belongs to the context; Continue's own words."""

_RETRIEVED = re.compile(
    r"### Task:\s+Respond to the user query using the provided context.*</context>", re.DOTALL
)
"""What Open WebUI puts there when it has searched documents of its own."""

_QUERY_TAG = re.compile(r"</?user_query>")

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*(.*)")
"""A line that opens or closes a fenced block (CommonMark 0.31, 4.5)."""

_PROSE = re.compile(r"(?:^|\.)(?:md|mdx|markdown|rst|txt)\b")
"""What the first line of a fenced block says of a file that may hold such blocks itself."""


def without_context(text: str) -> str:
    """The question behind the context; where there is only code, the code.

    White space around it is left out. Text that begins with anything else is a question from
    its beginning, whatever code it holds.
    """
    code, question = _parts(text)
    return "\n".join(question or code).strip()


def code_of(text: str) -> str:
    """The code of the blocks that the text begins with, without the lines that fence it."""
    return "\n".join(_parts(text)[0])


def _parts(text: str) -> tuple[list[str], list[str]]:
    """The lines of code at the beginning, and those of the question behind them."""
    text = text.strip()
    if retrieved := _RETRIEVED.match(text):
        text = _QUERY_TAG.sub("", text[retrieved.end() :]).strip()
    lines = text.split("\n")
    code: list[str] = []
    here = 0
    while here < len(lines):
        end = here + 1
        if _fence(lines[here]):
            end, inside = _block(lines, here)
            code += inside
        elif lines[here].startswith(ANNOUNCEMENTS):
            while end < len(lines) and lines[end].strip() and not _fence(lines[end]):
                end += 1
        elif lines[here].strip():
            break
        here = end
    return code, lines[here:]


def _fence(line: str) -> re.Match[str] | None:
    return _FENCE.fullmatch(line.rstrip())


def _block(lines: list[str], start: int) -> tuple[int, list[str]]:
    """Where the block ends that begins with line `start`, and the lines inside it.

    A file may hold fenced blocks of its own. Most open with the name of a language, and so
    are told from the line that closes. Those in prose often have none: a file of prose goes on
    to the last line that can close it and has something behind it. A block that is not closed
    goes on to the end.
    """
    fence = _fence(lines[start])
    if fence is not None and _PROSE.search(fence[2]):
        behind = len(lines)
        for number in range(len(lines) - 1, start, -1):
            if lines[number].strip() == fence[1]:
                if any(map(str.strip, lines[number + 1 : behind])):
                    return number + 1, lines[start + 1 : number]
                behind = number
    opened: list[str] = []
    for number in range(start, len(lines)):
        fence = _fence(lines[number])
        if fence is None:
            continue
        marks, info = fence.groups()
        if info or not opened:
            opened.append(marks)
        elif marks.startswith(opened[-1]):
            opened.pop()
            if not opened:
                return number + 1, lines[start + 1 : number]
    return len(lines), lines[start + 1 :]
