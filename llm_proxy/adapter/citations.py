"""Citations: the block of bullets that ends an answer."""

import re
from collections.abc import Sequence
from urllib.parse import quote

_MARKDOWN = re.compile(r"[\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown acts on; an underscore inside a word is one (CommonMark 0.31, 6.2)."""

_URL = re.compile(r"https?://[^\s\\`*\[\]<>|]+")
"""A URL that Markdown leaves alone; an escape would become a part of its automatic link."""


def citation_block(ids: Sequence[str], url_template: str = "") -> str:
    """A blank line, the heading, a blank line and one bullet for each id.

    With a `url_template` such as `https://docs.example/{id}` the bullets are links.
    """
    bullets = (f"- {_bullet(citation, url_template)}" for citation in ids)
    return "\n\n**Citations:**\n\n" + "\n".join(bullets)


def _bullet(citation: str, url_template: str) -> str:
    text = " ".join(citation.split())
    if not url_template and _URL.fullmatch(text):
        return text
    text = _MARKDOWN.sub(r"\\\g<0>", text)
    if not url_template:
        return text
    return f"[{text}]({url_template.replace('{id}', quote(citation, safe=''))})"
