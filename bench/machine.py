"""The machine: which core is whose, and what a tree of processes has used. Linux only.

Reads `/proc` and the clocks of processes; starts nothing.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

_CPUCLOCK_SCHED = 2
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024


class Cores(Struct, frozen=True):
    """One core for the server that is measured, another for the client, where there are two."""

    server: int
    client: int


def cores() -> Cores:
    """The last two of the cores that may be used: the first one often has the interrupts."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(server=usable[-1], client=usable[-2] if len(usable) > 1 else usable[-1])


def tree(pid: int) -> list[int]:
    """A process and all that descend from it, as they are now."""
    children: dict[int, list[int]] = {}
    for process, parent in _parents():
        children.setdefault(parent, []).append(process)
    found = [pid]
    for member in found:  # grows while it is read
        found += children.get(member, ())
    return found


def pin(pids: list[int], core: int) -> None:
    """Keep the processes on one core; the threads that they start later inherit that."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), {core})


def cpu_seconds(pids: list[int]) -> float:
    """Processor time of the processes since their start, threads that have ended included.

    From the clock of each process (clock_getcpuclockid(3)): it counts nanoseconds, while
    utime and stime in `/proc/PID/stat` show the same sum in ticks of 10 ms.
    """
    return sum(time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED) for pid in pids)


def resident_kib(pids: list[int]) -> float:
    """Memory of the processes that is in use, each page counted for each of them (RSS)."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB for pid in pids)


def described() -> str:
    """The processor and the number of cores, in a few words."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} cores"


def _parents() -> Iterator[tuple[int, int]]:
    """Each process of the system with its parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may itself hold brackets and spaces: proc_pid_stat(5).
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        yield int(stat.parent.name), int(fields[1])
