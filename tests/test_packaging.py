"""The package as others install it: what the wheel holds, and that it works without a checkout."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
import requests
from packaging.requirements import Requirement

from tests.servers import PATIENCE_SECONDS, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of what git tracks, built aside, as a build leaves files where it happens."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            target.write_bytes((ROOT / name).read_bytes())
    command = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([sys.executable, *command, str(source)], check=True, timeout=PATIENCE_SECONDS)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A folder that holds the unpacked wheel, and nothing of the checkout."""
    target = wheel.parent / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


@pytest.fixture
def supervised(installed: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
    process = subprocess.Popen(
        [sys.executable, "-m", "llm_proxy", "mock", "--port", "0", "--supervised"],
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        yield process


def test_the_wheel_depends_on_what_the_requirements_list(installed: Path) -> None:
    metadata = PathDistribution(next(installed.glob("*.dist-info")))
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    needed = map(Requirement, metadata.requires or ())
    assert {one for one in needed if one.marker is None} == set(map(Requirement, lines))


def test_the_wheel_holds_all_that_the_package_holds(installed: Path) -> None:
    def files(root: Path) -> set[str]:
        found = (path.relative_to(root) for path in (root / "llm_proxy").rglob("*"))
        return {str(path) for path in found if path.suffix and "__pycache__" not in path.parts}

    assert files(installed) == files(ROOT)


def test_a_server_of_the_installed_package_answers_and_stops_with_its_input(
    supervised: subprocess.Popen[bytes],
) -> None:
    assert supervised.stdout is not None
    assert supervised.stdin is not None
    url = supervised.stdout.readline().decode().strip()
    assert requests.get(f"{url}/health", timeout=PATIENCE_SECONDS).json() == {"status": "ok"}
    supervised.stdin.close()
    assert supervised.wait(PATIENCE_SECONDS) == 0


def test_the_command_and_the_plugin_can_be_found(installed: Path) -> None:
    points = PathDistribution(next(installed.glob("*.dist-info"))).entry_points
    assert {(point.group, point.name, point.value) for point in points} == {
        ("console_scripts", "llm-proxy", "llm_proxy.__main__:main"),
        ("pytest11", "llm_proxy", "llm_proxy.testing.plugin"),
    }
