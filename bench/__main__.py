"""The command line: `make bench`, or `python -m bench`."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import goals, machine, report
from bench.run import Run, over
from bench.scenarios import SCENARIOS

RESULTS = Path(__file__).parent / "results"

QUICK = {"rounds": 2, "block_seconds": 0.2, "scale": 0.03, "seconds": 75.0}
FULL = {"rounds": 5, "block_seconds": 1.0, "scale": 1.0, "seconds": 900.0}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write what was found."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look, in a minute")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="SCENARIO",
                        help=f"one of {', '.join(SCENARIOS)}; may be given again")  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    cores = machine.cores()
    os.sched_setaffinity(0, {cores.client})
    gc.disable()  # a collection amid a measurement would be taken for lateness of the server
    run = Run(
        cores=cores,
        rounds=int(size["rounds"]),
        block_seconds=size["block_seconds"],
        scale=size["scale"],
        quick=options.quick,
        deadline=time.monotonic() + size["seconds"],
    )
    began = time.monotonic()
    for name in options.only or SCENARIOS:
        measure(run, name)
        gc.collect()
    verdicts = list(goals.verdicts(run.results))
    for line in (*report.tables(run.results), *report.goals(verdicts)):
        print(line)
    conditions = {
        "machine": machine.described(),
        "python": sys.version.split()[0],
        "quick": options.quick,
        "seconds": round(time.monotonic() - began, 1),
    }
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_bytes(report.document(run.results, verdicts, conditions))
    print(f"{conditions['machine']}; {conditions['seconds']} s; {path}")


def measure(run: Run, name: str) -> None:
    """Measure one scenario, if there is time left for it."""
    if over(run):
        run.results.unasked = "there was no time left"
        print(f"{name}: no time left", file=sys.stderr)
        return
    began = time.monotonic()
    SCENARIOS[name](run)
    print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
