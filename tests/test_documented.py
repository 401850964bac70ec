"""Every setting is documented, with the default that the code has."""

import dataclasses
import re
from pathlib import Path

import pytest

from llm_proxy.settings import AdapterSettings, MockSettings, ServerSettings

ROOT = Path(__file__).parent.parent

DEFAULTS = {
    field.metadata["name"]: field.default
    for group in (ServerSettings, MockSettings, AdapterSettings)
    for field in dataclasses.fields(group)
}

DEFAULTS["STREAM_DIALECT"] = "legacy"  # the one that needs no fields to be told

EXAMPLES = {"STREAM_HEADERS", "STREAM_TASKS", "MOCK_CHAOS"}
"""Shown with an example, as nobody guesses their form."""


def written(default: object) -> str:
    """A default as a person writes it."""
    if isinstance(default, bool):
        return str(int(default))
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    if isinstance(default, float) and default.is_integer():
        return str(int(default))
    return str(default).strip()


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_sample_names_the_setting_and_its_default(name: str) -> None:
    sample = (ROOT / ".env.sample").read_text()
    line = re.search(rf"^#{name}=(.*)$", sample, re.MULTILINE)
    assert line is not None
    if name not in EXAMPLES:
        assert line[1] == written(DEFAULTS[name])


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_readme_has_a_row_for_the_setting(name: str) -> None:
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in row for row in rows)


def test_the_sample_names_no_setting_that_does_not_exist() -> None:
    named = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.sample").read_text(), re.MULTILINE)
    assert set(named) == set(DEFAULTS)


def test_the_sample_can_be_read_by_docker() -> None:
    """Docker takes what stands behind the first = literally."""
    lines = (ROOT / ".env.sample").read_text().splitlines()
    values = [line.partition("=")[2] for line in lines if re.match(r"#?[A-Z_]+=", line)]
    assert not [value for value in values if (value[:1] in "'\"" and value) or " #" in value]
