"""The layers of the package: which module may import which."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "llm_proxy"

FLASK = {"flask", "werkzeug"}
NETWORK = {"requests", "urllib3", "sseclient", "socket", "select", "ssl"}
CLOCK = {"time", "datetime"}

MAY_IMPORT_OURS = {
    "errors": set(),
    "files": set(),
    "namespaces": set(),
    "state": set(),
    "settings": set(),
    "work": set(),
    "core": {"errors"},
    "store": {"core"},
    "openai_api": {"core", "errors", "store"},
    "limits": {"openai_api"},
    "upstream": {"work"},
    "records": {"core", "errors", "settings", "work"},
    "journal": {"core", "errors", "namespaces", "records"},
    "sqlite": {"core", "errors", "journal", "namespaces", "records", "state", "store", "work"},
    "metrics": {"core", "records", "sqlite", "work"},
    "tracing": {"core", "records"},
    "shell": {
        "core",
        "errors",
        "journal",
        "namespaces",
        "openai_api",
        "records",
        "settings",
        "store",
        "work",
    },
    "mock": {
        "core",
        "errors",
        "files",
        "limits",
        "namespaces",
        "openai_api",
        "settings",
        "state",
        "upstream",
        "work",
    },
    "adapter": {"core", "errors", "namespaces", "openai_api", "settings", "upstream", "work"},
    "control": {"core", "errors", "journal", "mock", "openai_api", "records", "shell"},
    "inspector": set(),
    "server": {"work"},
    "testing": set(),
}
"""By room; each may also import its own modules. What tests use stands outside: it starts the
whole, and talks to it.
"""

KNOW_FLASK = {
    "__init__",
    "__main__",
    "app",
    "server/gevent_conf",
    "server/gunicorn_conf",
    "shell/cors",
    "shell/hooks",
    "shell/incoming",
    "shell/serving",
    "control/__init__",
    "control/answers",
    "control/exchanges",
    "inspector/__init__",
    "control/routes",
    "control/scripts",
    "metrics/__init__",
    "mock/__init__",
    "adapter/__init__",
    "testing/control",
    "testing/plugin",
    "testing/script",
}
"""These, and what puts everything together."""


def modules() -> list[str]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [path.relative_to(PACKAGE).with_suffix("").as_posix() for path in paths]


def imports(module: str) -> Iterator[str]:
    """The full names of all that a module imports, wherever in it."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_imported(module: str) -> set[str]:
    names = [name.split(".") for name in imports(module)]
    return {parts[1] for parts in names if parts[0] == "llm_proxy"}


def packages_imported(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)}


@pytest.mark.parametrize("module", sorted(set(modules()) - KNOW_FLASK))
def test_a_module_imports_only_from_the_layers_below(module: str) -> None:
    room = module.split("/")[0]
    assert rooms_imported(module) <= MAY_IMPORT_OURS[room] | {room}


def test_the_rooms_lie_above_each_other() -> None:
    TopologicalSorter(MAY_IMPORT_OURS).prepare()  # raises a CycleError


@pytest.mark.parametrize("module", sorted(set(modules()) - KNOW_FLASK))
def test_flask_is_known_to_the_shell_only(module: str) -> None:
    assert not packages_imported(module) & FLASK


@pytest.mark.parametrize("module", [m for m in modules() if m.startswith("openai_api/")])
def test_the_api_layer_is_pure(module: str) -> None:
    assert not packages_imported(module) & (FLASK | NETWORK | CLOCK)


def test_of_the_mock_only_the_recorder_asks_anybody_else() -> None:
    mock = [module for module in modules() if module.startswith("mock/")]
    assert [module for module in mock if packages_imported(module) & NETWORK] == [
        "mock/recording/upstream"
    ]


PURE = ["framing", "citations", "question", "context", "sessions", "tasks", "extracts", "dialects"]


@pytest.mark.parametrize("module", PURE)
def test_what_the_adapter_makes_of_bytes_is_pure(module: str) -> None:
    named = [m for m in modules() if f"{m}/".startswith(f"adapter/{module}/")]
    assert named
    assert not set().union(*map(packages_imported, named)) & (NETWORK | CLOCK)


def test_only_calls_and_their_connections_touch_sockets() -> None:
    touching = {m for m in modules() if packages_imported(m) & {"socket", "select", "ssl"}}
    # The configuration of gunicorn waits by `select` for the end of standard input.
    others = {"shell/clock", "settings/rules", "server/gunicorn_conf"}
    assert touching == {"upstream/call", "upstream/connections", "upstream/body"} | others


@pytest.mark.parametrize("half", ["mock", "adapter"])
def test_the_halves_do_not_know_each_other(half: str) -> None:
    other = {"mock": "adapter", "adapter": "mock"}[half]
    for module in modules():
        if module.split("/")[0] == half:
            assert other not in rooms_imported(module)


@pytest.mark.parametrize("room", ["core", "records", "shell"])
def test_what_both_halves_share_knows_neither(room: str) -> None:
    for module in modules():
        if module.split("/")[0] == room:
            assert not rooms_imported(module) & {"mock", "adapter"}


@pytest.mark.parametrize("module", [m for m in modules() if m.split("/")[0] in ("mock", "adapter")])
def test_the_halves_read_no_environment(module: str) -> None:
    assert "os" not in packages_imported(module)


def test_sqlite_is_known_to_its_room_only() -> None:
    knowing = {module.split("/")[0] for module in modules() if "sqlite3" in imports(module)}
    assert knowing == {"sqlite"}


def test_only_the_clock_sleeps() -> None:
    def sleeps(module: str) -> bool:
        tree = ast.parse((PACKAGE / f"{module}.py").read_text())
        called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        return "sleep" in called or "time.sleep" in imports(module)

    # The worker is a part of the server: its greenlets sleep for no time, to have turns.
    assert [module for module in modules() if sleeps(module)] == [
        "server/gevent_worker",
        "shell/clock",
    ]
