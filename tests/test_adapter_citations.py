"""The citation block is exactly as the contract has it."""

import pytest

from llm_proxy.adapter.citations import citation_block


def bullet(citation: str, url_template: str = "") -> str:
    """What stands in the block's one line for `citation`."""
    return citation_block([citation], url_template).removeprefix("\n\n**Citations:**\n\n- ")


def test_the_block_is_a_blank_line_a_heading_a_blank_line_and_bullets() -> None:
    assert citation_block(["1", "22", "333"]) == "\n\n**Citations:**\n\n- 1\n- 22\n- 333"


def test_the_ids_keep_their_order() -> None:
    assert citation_block(["b", "a", "c"]) == "\n\n**Citations:**\n\n- b\n- a\n- c"


@pytest.mark.parametrize(
    "citation",
    ["1", "a-1", "report_2024.pdf", "a/b.txt#3", "snake_case_id", "it's 100 % (really)!", "naïve"],
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
