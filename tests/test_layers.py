"""The layers of the package: which module may import which."""

import ast
from collections.abc import Iterator
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
    "chat_request": set(),
    "reply": {"chat_request"},
    "tokenizers": set(),
    "tokens": {"chat_request", "errors", "reply", "tokenizers"},
    "setting_rules": set(),
    "chaos": set(),
    "setting_reading": set(),
    "event_fields": {"setting_reading"},
    "task_patterns": set(),
    "configuration": {"setting_reading"},
    "settings": {
        "setting_rules",
        "setting_reading",
        "event_fields",
        "task_patterns",
        "configuration",
        "chaos",
    },
    "runs": {"reply"},
    "bounds": {"chat_request", "reply", "runs", "tokenizers"},
    "folding": {"chat_request", "reply"},
    "mishaps": {"reply"},
    "namespaces": set(),
    "browsers": set(),
    "keys": {"setting_rules"},
    "inspector": {"inspector"},
    "state": set(),
    "latest": {"state"},
    "trace": {"reply"},
    "lifetime": set(),
    "behind": set(),
    "gevent_worker": set(),
    "threads": set(),
    "turns": {"threads"},
    "thread_worker": {"turns"},
    "journal": {
        "chat_request",
        "course",
        "cut",
        "errors",
        "exchange",
        "trace",
        "reply",
        "folding",
        "namespaces",
        "journal",
    },
    "sqlite": {
        "chat_request",
        "reply",
        "namespaces",
        "state",
        "store",
        "exchange",
        "trace",
        "behind",
        "journal",
        "sqlite",
    },
    "control": {
        "chat_request",
        "browsers",
        "errors",
        "reply",
        "clock",
        "exchange",
        "pieces",
        "lifetime",
        "journal",
        "openai_api",
        "mock",
        "control",
    },
    "course": {"reply"},
    "tracing": {"exchange", "reply", "tracing"},
    "metrics": {"exchange", "reply", "sqlite", "behind", "metrics"},
    "store": {"chat_request", "reply"},
    "allowance": set(),
    "limits": {"allowance", "openai_api"},
    "prompts": {"chat_request", "reply"},
    "openai_api": {
        "chat_request",
        "errors",
        "reply",
        "tokenizers",
        "tokens",
        "store",
        "allowance",
        "openai_api",
    },
    "clock": {"errors", "turns"},
    "ids": set(),
    "exchange": {"chat_request", "errors", "ids", "reply", "course", "trace"},
    "pieces": {"errors", "reply", "clock", "exchange", "mishaps"},
    "outbox": set(),
    "pauses": {"clock", "reply"},
    "streaming": {
        "pauses",
        "outbox",
        "errors",
        "reply",
        "openai_api",
        "clock",
        "exchange",
        "course",
        "mishaps",
        "pieces",
        "runs",
    },
    "logs": {"settings"},
    "cut": set(),
    "request_log": {"behind", "cut", "exchange", "reply", "settings"},
    "outgoing": {"exchange", "pieces"},
    "edge": {
        "cut",
        "errors",
        "openai_api",
        "browsers",
        "namespaces",
        "keys",
        "exchange",
        "trace",
        "journal",
        "incoming",
        "outgoing",
    },
    "front": {"edge", "exchange", "incoming", "outgoing"},
    "views": {
        "chat_request",
        "reply",
        "bounds",
        "clock",
        "exchange",
        "folding",
        "front",
        "ids",
        "incoming",
        "mishaps",
        "namespaces",
        "openai_api",
        "outgoing",
        "pauses",
        "pieces",
        "prompts",
        "settings",
        "store",
        "streaming",
        "tokenizers",
        "tokens",
    },
    "upstream": {"turns", "upstream"},
    "mock": {
        "chat_request",
        "errors",
        "files",
        "reply",
        "runs",
        "tokenizers",
        "settings",
        "chaos",
        "allowance",
        "limits",
        "namespaces",
        "state",
        "latest",
        "openai_api",
        "threads",
        "upstream",
        "mock",
    },
    "adapter": {
        "chat_request",
        "errors",
        "reply",
        "settings",
        "event_fields",
        "task_patterns",
        "namespaces",
        "openai_api",
        "threads",
        "turns",
        "upstream",
        "adapter",
    },
    "testing": {"testing"},
}
"""By room. The modules in `SHELL` are the Flask shell.

What tests use stands outside: it starts the whole, and talks to it.
"""

SHELL = {
    "__init__",
    "__main__",
    "app",
    "cors",
    "gevent_conf",
    "gunicorn_conf",
    "hooks",
    "incoming",
    "serving",
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


@pytest.mark.parametrize("module", sorted(set(modules()) - SHELL))
def test_a_module_imports_only_from_the_layers_below(module: str) -> None:
    assert rooms_imported(module) <= MAY_IMPORT_OURS[module.split("/")[0]]


@pytest.mark.parametrize("module", sorted(set(modules()) - SHELL))
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
    others = {"clock", "setting_rules", "gunicorn_conf"}
    assert touching == {"upstream/call", "upstream/connections", "upstream/body"} | others


@pytest.mark.parametrize("half", ["mock", "adapter"])
def test_the_halves_do_not_know_each_other(half: str) -> None:
    other = {"mock": "adapter", "adapter": "mock"}[half]
    for module in modules():
        if module.split("/")[0] == half:
            assert other not in rooms_imported(module)


SHARED = ["edge", "front", "hooks", "cors", "incoming", "outgoing", "serving", "streaming", "views"]


@pytest.mark.parametrize("module", SHARED)
def test_the_shell_knows_neither_half(module: str) -> None:
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
    assert [module for module in modules() if sleeps(module)] == ["clock", "gevent_worker"]
