"""The file that workers share: where it is, whose it is, and what a new start leaves of it."""

import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest

from llm_proxy import create_app
from llm_proxy.settings import SettingsError, from_env
from llm_proxy.sqlite import place, schema
from llm_proxy.sqlite.database import DatabaseUnusable
from llm_proxy.sqlite.place import BOOT, FILE, Place
from llm_proxy.sqlite.state import SqliteState


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def state_of(path: Path, boot: str) -> SqliteState:
    return SqliteState(place.database(lambda: Place(str(path), boot)))


def chosen(journal: str = "", port: int = 8888, workers: int = 2) -> dict[str, str]:
    environ: dict[str, str] = {}
    place.choose(journal, port, workers, environ)
    return environ


def test_a_server_has_a_file_for_its_port_in_a_folder_of_its_user(temporary: Path) -> None:
    folder = temporary / f"llm-proxy-{os.getuid()}"
    assert chosen(port=8888)[FILE] == str(folder / "8888.sqlite3")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "8888.sqlite3").stat().st_mode) == 0o600


def test_the_files_beside_the_database_are_as_private(tmp_path: Path) -> None:
    state = state_of(tmp_path / "x.sqlite3", "one")
    state.advance("", "turn")
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert names == {"x.sqlite3": 0o600, "x.sqlite3-wal": 0o600, "x.sqlite3-shm": 0o600}


def test_servers_without_a_port_of_their_own_share_no_file(temporary: Path) -> None:
    first, second = chosen(port=0), chosen(port=0)
    assert first[FILE] != second[FILE]
    place.end(first)
    assert [str(path) for path in temporary.rglob("*.sqlite3")] == [second[FILE]]


def test_a_file_that_another_start_is_to_find_is_left(temporary: Path) -> None:
    place.end(chosen(port=8888))
    assert [path.name for path in temporary.rglob("*.sqlite3")] == ["8888.sqlite3"]


def aged(path: Path, days: float) -> Path:
    moment = time.time() - days * 24 * 60 * 60
    for name in path.parent.glob(path.name + "*"):
        os.utime(name, (moment, moment))
    return path


@pytest.mark.usefixtures("temporary")
def test_files_that_no_server_has_used_for_a_week_are_removed_at_a_start() -> None:
    unused, recent, own = (Path(chosen(port=port)[FILE]) for port in (8001, 8002, 8003))
    killed = Path(chosen(port=0)[FILE])
    for path in (unused, recent, killed, own):
        (path.parent / f"{path.name}-version").write_bytes(bytes(8))
    for path in (unused, killed, own):
        aged(path, days=8)
    aged(recent, days=6)
    chosen(port=8003)
    assert sorted(path.name for path in own.parent.iterdir()) == [
        *("8002.sqlite3", "8002.sqlite3-version"),
        *("8003.sqlite3", "8003.sqlite3-version"),
    ]


@pytest.mark.usefixtures("temporary")
def test_an_old_file_stays_as_long_as_somebody_has_it_open() -> None:
    path = Path(chosen(port=8001)[FILE])
    state = state_of(path, "still running")
    state.advance("a", "turn", expected=0)
    aged(path, days=8)
    chosen(port=8002)
    assert path.exists()
    assert state_of(path, "still running").count("a", "turn") == 1


@pytest.mark.usefixtures("temporary")
def test_what_does_not_have_a_name_of_ours_is_left_alone() -> None:
    folder = Path(chosen(port=8001)[FILE]).parent
    others = [folder / name for name in ("notes.sqlite3", "8002.sqlite3.bak", "8003.sqlite3")]
    for path in others:
        path.write_text("mine")
        aged(path, days=8)
    chosen(port=8004)
    assert [path.read_text() for path in others] == ["mine"] * 3


def test_the_state_has_a_file_when_the_journal_is_off(temporary: Path) -> None:
    assert chosen("off")[FILE].startswith(str(temporary))


def test_a_file_that_is_named_is_used(tmp_path: Path) -> None:
    environ = chosen(str(tmp_path / "mine.db"))
    assert environ[FILE] == str(tmp_path / "mine.db")
    assert place.whereabouts("", environ)() == Place(environ[FILE], environ[BOOT])


def test_an_application_on_its_own_is_in_memory() -> None:
    assert place.whereabouts("", {})().path == ":memory:"
    assert place.whereabouts("off", {})().path == ":memory:"


@pytest.mark.parametrize("planted", ["link", "file", "open folder"])
def test_a_folder_that_may_be_somebody_elses_is_not_used(temporary: Path, planted: str) -> None:
    folder = temporary / f"llm-proxy-{os.getuid()}"
    if planted == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(temporary / "elsewhere")
    elif planted == "file":
        folder.touch(mode=0o600)
    else:
        folder.mkdir()
        folder.chmod(0o755)
    with pytest.raises(DatabaseUnusable, match="is not a folder that is ours alone"):
        chosen()


def test_a_single_worker_does_without_a_folder(temporary: Path) -> None:
    (temporary / f"llm-proxy-{os.getuid()}").touch()
    assert chosen(workers=1)[FILE] == ":memory:"


def test_a_new_start_finds_no_state_and_a_worker_that_is_replaced_does(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    before = state_of(path, "first start")
    before.add("fault", "", {})
    before.advance("", "turn")
    again = state_of(path, "first start")
    assert (len(again.scripted("fault")), again.count("", "turn")) == (1, 1)
    new = state_of(path, "second start")
    assert (new.scripted("fault"), new.count("", "turn")) == ([], 0)


def test_a_change_is_seen_by_whoever_has_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    one, other = state_of(path, "start"), state_of(path, "start")
    before = other.version()
    one.add("fault", "", {})
    assert other.version() == one.version() != before
    assert path.with_name("x.sqlite3-version").stat().st_mode & 0o777 == 0o600


def test_a_start_that_is_never_used_leaves_the_state_of_another(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    running = state_of(path, "running")
    running.add("fault", "", {})
    create_app(from_env({"LLM_PROXY_JOURNAL": str(path)}))
    chosen(str(path))
    assert len(running.scripted("fault")) == 1
    assert len(state_of(path, "running").scripted("fault")) == 1


def test_a_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    state_of(path, "one").add("fault", "", {})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE counters")
        connection.execute("CREATE TABLE younger (x)")
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    state = state_of(path, "one")
    assert (state.scripted("fault"), state.count("", "turn")) == ([], 0)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE precious (x)")
    before = path.read_bytes()
    with pytest.raises(SettingsError) as refused:
        create_app(from_env({"LLM_PROXY_JOURNAL": str(path)}))
    assert refused.value.problems == [
        f"LLM_PROXY_JOURNAL: {str(path)!r} cannot be used: it is the database of another program"
    ]
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_a_wrong_setting(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary")
    with pytest.raises(SettingsError) as refused:
        from_env({"LLM_PROXY_JOURNAL": str(path)})
    assert refused.value.problems == [
        f"LLM_PROXY_JOURNAL: {str(path)!r} is there, and is not an SQLite file"
    ]


def test_a_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        from_env({"LLM_PROXY_JOURNAL": str(tmp_path)})
    assert refused.value.problems == [f"LLM_PROXY_JOURNAL: {str(tmp_path)!r} is no file"]


@pytest.mark.parametrize("name", [FILE, BOOT])
def test_what_is_handed_down_is_not_taken_for_a_misspelt_setting(name: str) -> None:
    assert from_env({name: "x"}) == from_env({})
