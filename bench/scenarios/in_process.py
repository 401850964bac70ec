"""The application called in process, without a server: what is left without HTTP and sockets."""

import json
import subprocess
import sys

from bench.contenders import ROOT
from bench.goals import OURS
from bench.run import Run

MEASURE = "In process"
CALLS = 2000
PATIENCE_SECONDS = 120.0


def measure(run: Run) -> None:
    """Processor time of a call to our application, and to an empty Flask route."""
    command = [sys.executable, "-m", "bench.apps.in_process"]
    ended = subprocess.run(
        [*command, str(run.rounds), str(run.scaled(CALLS))],
        cwd=ROOT,
        env={"PYTHON_DOTENV_DISABLED": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    if ended.returncode:
        run.results.skip(MEASURE, OURS, ended.stderr.strip()[-400:])
        return
    for contender, samples in json.loads(ended.stdout).items():
        run.results.add(MEASURE, contender, "µs", samples)
