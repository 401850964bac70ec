"""What an editor puts in front of a question is not searched for."""

import time

import pytest

from llm_proxy.adapter.context import without_context

OPEN = (
    "The following file is currently open. "
    "Don't reference it if it's not relevant to the user's message:"
)
RETRIEVED = (
    "### Task:\nRespond to the user query using the provided context.\n\n<context>\n"
    '<source id="1">On </context> birds</source>\n</context>'
)
FILE = "```src/birds.py\ndef fly():\n    pass\n```"


@pytest.mark.parametrize(
    "text",
    [
        f"{OPEN}\n\n{FILE}\n\nWhy do birds sing?",
        f"{OPEN}\n\n{FILE}\nWhy do birds sing?",
        f"{OPEN}\n{FILE}Why do birds sing?".replace("```Why", "```\nWhy"),
        f"This is the currently open file:\n\n{FILE}\n\nWhy do birds sing?",
        f"{FILE}\n\nWhy do birds sing?",
        f"{FILE}\n\n{FILE}\n\n{OPEN}\n\n{FILE}\n\nWhy do birds sing?",
        "~~~\ncode\n~~~\nWhy do birds sing?",
        "````md\n```\ncode\n```\n````\n\nWhy do birds sing?",
        "```a.py (1-10)\r\ncode\r\n```\r\n\r\nWhy do birds sing?",
        f"{FILE}\n\nUse the above code to answer the following question. You should not\n"
        "reference any files outside of what is shown.\n\nWhy do birds sing?",
        f"{RETRIEVED}\n\nWhy do birds sing?",
        f"{RETRIEVED}\n<user_query>\nWhy do birds sing?\n</user_query>\n",
        f"{RETRIEVED}\n{FILE}\n\nWhy do birds sing?",
        "Why do birds sing?",
        "\n Why do birds sing?  \n",
    ],
)
def test_the_question_remains(text: str) -> None:
    assert without_context(text) == "Why do birds sing?"


@pytest.mark.parametrize(
    "text",
    [
        "Explain this:\n\n```py\nfly()\n```",
        "Explain this:\n```py\nfly()\n```\n\nand that:\n\n```py\nsing()\n```",
        "What does\n```\nfly()\n```\ndo?",
        "Why is `fly` empty?",
        "What does 'The following file is currently open.' mean?",
        "Explain this:\n```py\nnever closed",
    ],
)
def test_what_begins_with_the_question_is_all_of_it(text: str) -> None:
    assert without_context(text) == text
    assert without_context(f"{OPEN}\n\n{FILE}\n\n{text}") == text


@pytest.mark.parametrize(
    "inside",
    [
        "# Birds\n```sh\nmake\n```\n\nmore",
        "# Birds\n```sh\nmake\n```\n```py\nx\n```\nmore",
        "# Birds\n```\nmake\n```\n\n# More",
        "```\nmake\n```\n\n```\nrun\n```",
        "# Birds\n```sh\nnever closed",
    ],
)
@pytest.mark.parametrize("question", ["Why?", "Why?\n\n```py\nfly()\n```"])
@pytest.mark.parametrize("after", ["", "```a.py\nx\n```\n\n"])
def test_a_file_of_prose_may_hold_blocks_of_its_own(inside: str, question: str, after: str) -> None:
    file = f"```README.md (1-9)\n{inside}\n```"
    assert without_context(f"{OPEN}\n\n{file}\n\n{after}{question}") == question


def test_other_files_may_hold_blocks_that_name_their_language() -> None:
    file = '```birds.py\n"""\n```sh\nmake\n```\n"""\n```'
    question = "Why?\n```py\nfly()\n```\nAnd how?"
    assert without_context(f"{file}\n\n{question}") == question


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```py\nfly()\n```", "fly()"),
        ("```py\n  fly()\n  sing()\n```\n", "fly()\n  sing()"),
        ("```\nfly()\n```\n\n```\nsing()\n```", "fly()\nsing()"),
        ("```py\nfly()", "fly()"),
        ("```py\n```", ""),
        ("```", ""),
        (OPEN, ""),
        ("", ""),
        (" \n", ""),
    ],
)
def test_of_code_alone_the_code_remains(text: str, code: str) -> None:
    assert without_context(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "```\n```\n" * 200_000,
        "```x\n" * 400_000,
        "\n" * 2_000_000 + "x",
        "```\n" + "\n" * 2_000_000,
        "```md\n" + "```\n\n" * 400_000,
    ],
)
def test_the_longest_message_takes_no_longer_than_reading_it(text: str) -> None:
    began = time.monotonic()
    without_context(text)
    assert time.monotonic() - began < 10
