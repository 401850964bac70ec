"""The contenders: who is measured, and the command line that starts each of them.

A table; `processes` runs what stands here. `@PORT@` and `@FOLDER@` in a command, an
environment or a file are replaced at the start.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from bench.goals import GRANIAN, OURS

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / "peers"

AIMOCK = PEERS / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"

_PORT = ("--port", "@PORT@")


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


_GUNICORN = _python("gunicorn")
_GRANIAN = (*_python("granian"), "--interface", "wsgi", *_PORT)
# What `pip install uvicorn` alone brings, however much more the peers have installed.
_PLAIN = ("--loop", "asyncio", "--http", "h11")
_UVICORN = (*_python("uvicorn"), *_PLAIN, *_PORT, "--log-level", "warning")

MANY_STREAMS = ("--config", "gevent.conf.py")
"""What the README tells to add to the default command for many streams at once."""


class Contender(Struct, frozen=True, kw_only=True):
    """A server: how it is started, and what it must have to be.

    `lead` is the number of events of its streams before the first with a text. `modules` and
    `programs` are what has to be installed. `files` are written into its folder.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    lead: int = 1
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    def missing(self) -> str:
        """What it needs and is not there; empty where nothing is missing."""
        absent = [name for name in self.modules if find_spec(name) is None]
        absent += [name for name in self.programs if shutil.which(name) is None]
        return f"{', '.join(absent)} not installed" if absent else ""


def ours(*arguments: str, **env: str) -> Contender:
    """The program under gunicorn, by the default command and what is added to it."""
    return Contender(name=OURS, command=(*_GUNICORN, "wsgi:app", *arguments), env=env)


def ours_many(**env: str) -> Contender:
    """The program under gunicorn, by the command for many streams."""
    return replace(ours(*MANY_STREAMS, **env), modules=("gevent",))


def with_gthread(contender: Contender) -> Contender:
    """The same under gunicorn's own threads, which take no turns."""
    command = (*contender.command, "--worker-class", "gthread")
    return replace(contender, name=f"{contender.name}, gthread", command=command)


def ours_granian(**env: str) -> Contender:
    """The program under granian."""
    command = (*_GRANIAN, "wsgi:app")
    return Contender(name=GRANIAN, command=command, env=env, modules=("granian",))


def app(name: str, module: str, *arguments: str, **env: str) -> Contender:
    """One of the applications in `bench.apps`, under the same gunicorn as ours."""
    return Contender(
        name=name, command=(*_GUNICORN, f"bench.apps.{module}:app", *arguments), env=env
    )


def app_granian(name: str, module: str) -> Contender:
    """One of the applications in `bench.apps` under granian."""
    command = (*_GRANIAN, f"bench.apps.{module}:app")
    return Contender(name=name, command=command, modules=("granian",))


def app_uvicorn(name: str, module: str, *modules: str, **env: str) -> Contender:
    """One of the applications in `bench.apps` under uvicorn, as `pip install uvicorn` has it."""
    command = (*_UVICORN, f"bench.apps.{module}:app")
    return Contender(name=name, command=command, env=env, modules=("uvicorn", *modules))


def aimock(text: str, *arguments: str) -> Contender:
    """aimock (Node), which answers everything with `text`."""
    fixtures = {"fixtures": [{"match": {}, "response": {"content": text}}]}
    return Contender(
        name="aimock",
        command=(
            "node",
            str(AIMOCK),
            "--port",
            "@PORT@",
            "--fixtures",
            "@FOLDER@/all.json",
            *arguments,
        ),
        files={"all.json": json.dumps(fixtures)},
        programs=("node", str(AIMOCK)),
    )


def fakellm(text: str) -> Contender:
    """fakellm (FastAPI), which answers everything with `text`."""
    rule = {"name": "all", "when": {}, "respond": {"content": text}}
    config = {"version": 1, "defaults": {"fallback": "deterministic_echo"}, "rules": [rule]}
    return Contender(
        name="fakellm",
        command=(
            sys.executable,
            "-m",
            "fakellm.cli",
            "serve",
            "--port",
            "@PORT@",
            "--config",
            "@FOLDER@/fakellm.yaml",
        ),
        files={"fakellm.yaml": json.dumps(config)},  # JSON is YAML
        modules=("fakellm",),
    )


def llmock(style: str) -> Contender:
    """llmock (FastAPI), with one of its styles of answers."""
    return Contender(
        name="llmock",
        command=(
            sys.executable,
            "-m",
            "llmock.cli",
            "serve",
            "--port",
            "@PORT@",
            "--response-style",
            style,
        ),
        modules=("llmock",),
    )


def nginx() -> Contender:
    """nginx with one static answer: what a request costs at the very least."""
    config = (PEERS / "nginx.conf").read_text()
    return Contender(
        name="nginx, static",
        command=("nginx", "-c", "@FOLDER@/nginx.conf", "-p", "@FOLDER@"),
        files={"nginx.conf": config},
        programs=("nginx",),
    )
