"""Fixtures of aimock load unchanged, and give the same replies here as there."""

from pathlib import Path

import pytest

from llm_proxy.mock.fixtures.loading import loaded
from tests.aimock import compare
from tests.npm import installed


@pytest.fixture(scope="module")
def examples() -> list[Path]:
    """The example files of the package, and what they leave out."""
    installed(compare.FOLDER)
    return [*compare.example_files(), compare.MORE]


@pytest.fixture(scope="module")
def differences(examples: list[Path]) -> list[str]:
    return [
        f"{file.name} {case}, {surface}:\n{difference}"
        for file in examples
        for case, surface, difference in compare.compared(file)
        if difference is not None
    ]


def test_the_same_fixtures_give_the_same_replies(differences: list[str]) -> None:
    assert not differences, "\n".join(differences)


def test_the_folder_of_examples_loads_as_it_is(examples: list[Path]) -> None:
    assert len(examples) > 10
    found = loaded(compare.EXAMPLES)
    assert found.problems == []
    assert len(found.fixtures) == 32
    passed_over = [one.file for one in found.warnings if "passed over" in one.message]
    assert passed_over == [
        "examples/full-suite.json",
        "examples/a2a/a2a-config.json",
        "examples/agui/agui-text-response.json",
        "examples/chaos/chaos-config.json",
        "examples/llamaindex/aimock-config.json",
        "examples/mcp/mcp-config.json",
        "examples/record-replay/record-config.json",
        "examples/vector/vector-config.json",
    ]


def test_endpoints_that_do_not_exist_here_are_warned_about(examples: list[Path]) -> None:
    live = next(file for file in examples if file.name == "openai-live-client.json")
    found = loaded(live)
    assert found.problems == []
    assert [str(warning) for warning in found.warnings] == [
        "openai-live-client.json#1: it never matches: no endpoint here gives such a response"
    ]
