"""Run the tests of the official openai package against our server: `make conformance`.

The tests come from the package's source distribution on PyPI, of the version installed here.
They are run as they are; those that cannot pass are listed, with the reason, in
`expected_failures.txt`. Anything else that fails, and anything listed that passes, is an error.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

from tests.servers import running_gunicorn

HERE = Path(__file__).parent
SUITES = (
    "chat",
    "responses",
    "test_completions.py",
    "test_embeddings.py",
    "test_models.py",
    "test_moderations.py",
    "test_responses.py",
)
FAILED = re.compile(r"^(?:FAILED|ERROR) tests/api_resources/([^:\s]+)::\w+::(\w+)", re.MULTILINE)
REQUIREMENTS = (
    "openai[aiohttp]",
    "dirty-equals",
    "pytest",
    "pytest-asyncio",
    "pytest-xdist",
    "rich",
)


def main() -> int:
    """Fetch, run, compare; the number of surprises, at most 1."""
    with tempfile.TemporaryDirectory() as folder:
        package = fetched(Path(folder))
        with running_gunicorn() as server:
            report = run(package, f"{server.url}/v1")
    failed = set(FAILED.findall(report))
    expected = listed()
    print(report.splitlines()[-1])
    for file, function in sorted(failed - expected):
        print(f"failed, and is not listed: {file} {function}")
    for file, function in sorted(expected - failed):
        print(f"is listed, and did not fail: {file} {function}")
    return int(failed != expected)


def fetched(folder: Path) -> Path:
    """The unpacked source distribution of the installed openai package, an environment in it."""
    release = version("openai")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = ["download", "--no-deps", "--no-binary", "openai", "--dest", str(folder)]
    subprocess.run([*pip, *source, f"openai=={release}"], check=True)
    (archive,) = folder.glob("openai-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    package = folder / f"openai-{release}"
    venv.create(package / ".venv")
    into = ["--python", str(package / ".venv"), "install", *REQUIREMENTS, f"openai=={release}"]
    subprocess.run([*pip, *into], check=True)
    return package


def run(package: Path, base_url: str) -> str:
    """What pytest prints of the suites, run against `base_url`."""
    environment = {**os.environ, "TEST_API_BASE_URL": base_url}
    suites = [f"tests/api_resources/{suite}" for suite in SUITES]
    options = ["-n", "2", "--tb=line", "-q", "-rfE", "--durations=0"]
    command = [str(package / ".venv/bin/python"), "-m", "pytest", *options, *suites]
    done = subprocess.run(
        command, check=False, cwd=package, env=environment, capture_output=True, text=True
    )
    return done.stdout


def listed() -> set[tuple[str, str]]:
    """The file and function of the tests known to fail; a line that begins with # is a reason."""
    lines = (HERE / "expected_failures.txt").read_text().splitlines()
    names = [line.split() for line in lines if line and not line.startswith("#")]
    return {(file, function) for file, function in names}


if __name__ == "__main__":
    sys.exit(main())
