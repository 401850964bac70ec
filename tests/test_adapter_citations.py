"""The citation block is exactly as the contract has it."""

import pytest

from llm_proxy.adapter.citations import citation_block
from llm_proxy.adapter.dialects.meaning import Citation

HEADING = "\n\n**Citations:**\n\n"


def bullet(citation: str, url_template: str = "", *, title: str = "", url: str = "") -> str:
    """What stands in the block's one line for a citation with this id."""
    block = citation_block([Citation(citation, title, url)], url_template)
    assert block.startswith(HEADING + "- ")
    return block.removeprefix(HEADING + "- ")


def test_the_block_is_a_blank_line_a_heading_a_blank_line_and_bullets() -> None:
    assert citation_block(map(Citation, ["1", "22", "333"])) == HEADING + "- 1\n- 22\n- 333"


def test_the_ids_keep_their_order() -> None:
    assert citation_block(map(Citation, ["b", "a", "c"])) == HEADING + "- b\n- a\n- c"


@pytest.mark.parametrize(
    "citation",
    [
        "1",
        "1.5",
        "#12",
        "-5",
        "+49",
        "a - b",
        "2024-01",
        "AT&T",
        "a-1",
        "report_2024.pdf",
        "a/b.txt#3",
        "snake_case_id",
        "it's 100 % (really)!",
        "naïve",
    ],
)
def test_an_ordinary_id_stands_as_it_is(citation: str) -> None:
    assert bullet(citation) == citation


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        ("*a*", r"\*a\*"),
        ("_a_", r"\_a\_"),
        ("a _b", r"a \_b"),
        ("[a](b)", r"\[a\](b)"),
        ("<b>", r"\<b\>"),
        ("`a`", r"\`a\`"),
        ("a|b", r"a\|b"),
        ("~~a~~", r"\~\~a\~\~"),
        ("a\\b", r"a\\b"),
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("+ a", r"\+ a"),
        ("---", r"\---"),
        ("-", r"\-"),
        ("1. a", r"1\. a"),
        ("22)", r"22\)"),
        ("&copy; &#64;", r"\&copy; \&#64;"),
    ],
)
def test_an_id_is_no_markdown(citation: str, expected: str) -> None:
    assert bullet(citation) == expected


@pytest.mark.parametrize("citation", ["a\nb", "a \r\n  b", " a\tb\n"], ids=repr)
def test_an_id_stays_on_its_line(citation: str) -> None:
    assert bullet(citation) == "a b"


@pytest.mark.parametrize(
    "citation", ["https://docs.example/a_b?c=_d_&e=~f", "http://docs.example:8000/x#y_"]
)
def test_a_url_stands_as_it_is_so_that_it_is_still_one(citation: str) -> None:
    """In a bare URL, Markdown with automatic links takes a backslash for a part of it."""
    assert bullet(citation) == citation


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        ("https://a.example/[x](y)", r"https://a.example/\[x\](y)"),
        ("https://a.example/<b>", r"https://a.example/\<b\>"),
        ("see https://a.example/ _x_", r"see https://a.example/ \_x\_"),
    ],
)
def test_markdown_does_not_hide_in_a_url(citation: str, expected: str) -> None:
    assert bullet(citation) == expected


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        ("22", "[22](https://docs.example/22?v=1)"),
        ("a b", "[a b](https://docs.example/a%20b?v=1)"),
        ("a/b", "[a/b](https://docs.example/a%2Fb?v=1)"),
        ("x](y)", r"[x\](y)](https://docs.example/x%5D%28y%29?v=1)"),
        ("naïve", "[naïve](https://docs.example/na%C3%AFve?v=1)"),
        ("{id}", "[{id}](https://docs.example/%7Bid%7D?v=1)"),
    ],
)
def test_with_a_template_the_bullets_are_links(citation: str, expected: str) -> None:
    assert bullet(citation, "https://docs.example/{id}?v=1") == expected


def test_every_placeholder_of_a_template_is_filled() -> None:
    assert bullet("7", "https://{id}.example/{id}") == "[7](https://7.example/7)"


@pytest.mark.parametrize(
    ("title", "url", "template", "expected"),
    [
        ("On birds", "https://a.example/7", "", "[On birds](https://a.example/7)"),
        ("", "https://a.example/7", "", "[7](https://a.example/7)"),
        ("On birds", "", "", "7: On birds"),
        ("7", "", "", "7"),
        ("On birds", "", "https://d.example/{id}", "[On birds](https://d.example/7)"),
        ("On", "https://a.example/7", "https://d.example/{id}", "[On](https://a.example/7)"),
        ("a [b](c)\n# d", "https://a.example/7", "", r"[a \[b\](c) # d](https://a.example/7)"),
        ("*On*", "", "", r"7: \*On\*"),
    ],
)
def test_a_title_and_an_address_make_a_link(
    title: str, url: str, template: str, expected: str
) -> None:
    assert bullet("7", template, title=title, url=url) == expected


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "/docs/7", "ftp://a/7", "https://a b/", "x"]
)
def test_a_link_leads_to_the_web_only(url: str) -> None:
    assert bullet("7", title="On birds", url=url) == "7: On birds"


def test_an_address_cannot_end_its_link() -> None:
    url = "https://a.example/(x)?q=%20<y>&z=[1]#a"
    expected = "[7](https://a.example/%28x%29?q=%20%3Cy%3E&z=%5B1%5D#a)"
    assert bullet("7", url=url) == expected


def test_an_address_that_is_the_id_stands_as_it_is() -> None:
    assert bullet("https://a.example/7", url="https://a.example/7") == "https://a.example/7"
