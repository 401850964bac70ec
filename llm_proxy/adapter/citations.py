"""Citations: the block of bullets that ends an answer."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from llm_proxy.adapter.dialects.meaning import Citation

HEADING = "\n\n**Citations:**\n\n"
"""What stands between the last word and the first bullet."""

_MARKDOWN = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown acts on; an underscore inside a word is one (CommonMark 0.31, 6.2)."""

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
    return name if _URL.fullmatch(name) else _escaped(name)


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text)
