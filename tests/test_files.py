"""Files are there whole or not at all."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llm_proxy.files import write_once
from tests.servers import PATIENCE_SECONDS, ROOT


def test_a_file_is_written_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert write_once(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"edited")
    assert not write_once(path, b"new")
    assert path.read_bytes() == b"edited"


def test_of_many_that_write_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    start = threading.Barrier(8)
    wins: list[int] = []

    def write(number: int) -> None:
        start.wait()
        if write_once(path, b"%d" % number * 10_000):
            wins.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert path.read_bytes() == b"%d" % wins[0] * 10_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_without_hard_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.json"
    assert write_once(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_once(tmp_path / "a.json", b"whole")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys, time
from pathlib import Path
from llm_proxy import files

def stuck(descriptor):
    print("written, not yet named", flush=True)
    time.sleep(60)

files.os.fsync = stuck
files.write_once(Path(sys.argv[1]), b"x" * 1_000_000)
"""


def test_a_process_that_is_killed_leaves_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written, not yet named\n"
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
    left = [one.name for one in tmp_path.iterdir()]
    assert not [name for name in left if not name.startswith(".") or name.endswith(".json")]
    assert write_once(path, b"whole")
