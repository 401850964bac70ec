"""Citations: the block of bullets that ends an answer."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from llm_proxy.adapter.dialects.meaning import Citation

HEADING = "\n\n**Citations:**\n\n"
"""What stands between the last word and the first bullet."""

_MARKDOWN = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown acts on; an underscore inside a word is one (CommonMark 0.31, 6.2)."""

_BLOCK = re.compile(r"(?=(?:[-+]|#{1,6})(?:\s|$)|-[- ]*$)|(?<=\d)(?=[.)](?:\s|$))")
"""Where, at its start, a text turns into a heading, a list or a line (CommonMark, 4 and 5)."""

_NUMBER = re.compile(r"\d{0,9}")

_ENTITY = re.compile(r"&(?=#?\w{1,31};)")
"""What stands for another character (CommonMark, 2.5)."""

_URL = re.compile(r"https?://[^\s\\`*\[\]<>|]+")
"""A URL that Markdown leaves alone; an escape would become a part of its automatic link."""

_LINKED = re.compile(r"https?://\S+")
"""What a link may lead to: no other scheme, as a citation is not ours."""

_IN_DESTINATION = "!#$%&'*+,-./:;=?@_~"
"""What a link's destination keeps: parentheses and the like would end it (CommonMark, 6.3)."""


def citation_block(citations: Iterable[Citation], url_template: str = "") -> str:
    """A blank line, the heading, a blank line and one bullet for each citation.

    A bullet is a link where the citation brings an address, or with a `url_template` such as
    `https://docs.example/{id}`.
    """
    bullets = (f"- {_bullet(citation, url_template)}" for citation in citations)
    return HEADING + "\n".join(bullets)


def _bullet(citation: Citation, url_template: str) -> str:
    name, title = " ".join(citation.id.split()), " ".join(citation.title.split())
    if _LINKED.fullmatch(citation.url):
        if citation.url == name and not title:
            return _plain(name)
        return f"[{_escaped(title or name)}]({quote(citation.url, safe=_IN_DESTINATION)})"
    if url_template:
        address = url_template.replace("{id}", quote(citation.id, safe=""))
        return f"[{_escaped(title or name)}]({address})"
    return f"{_plain(name)}: {_escaped(title)}" if title and title != name else _plain(name)


def _plain(name: str) -> str:
    """What stands at the start of its bullet, as it is."""
    if _URL.fullmatch(name):
        return name
    text = _escaped(name)
    number = _NUMBER.match(text)
    start = number.end() if number else 0
    return f"{text[:start]}\\{text[start:]}" if _BLOCK.match(text, start) else text


def _escaped(text: str) -> str:
    return _ENTITY.sub(r"\\&", _MARKDOWN.sub(r"\\\g<0>", text))
