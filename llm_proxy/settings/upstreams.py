"""The configuration file: several upstreams in one TOML document.

Turns each table into what the environment would say of it, so that the same rules read
both. Knows neither the keys nor their rules; they are passed in.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from llm_proxy.settings.reading import nearest

TABLE = "upstreams"
BY_REFERENCE = "_env"
"""The end of a key whose value is the name of an environment variable."""


def upstream_tables(
    path: str, keys: Mapping[str, str], environ: Mapping[str, str], problems: list[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name of each table `[upstreams.NAME]`, and its values as text.

    `keys` leads from a key to the name of its variable, by which the values are given.
    What is wrong is added to `problems`.
    """
    tables = _document(path, problems)
    for name in tables:
        if name != TABLE:
            problems.append(f"{path}: {_unknown(name, [TABLE], 'table')}")
    upstreams = tables.get(TABLE, {})
    if not isinstance(upstreams, dict) or not all(isinstance(t, dict) for t in upstreams.values()):
        problems.append(f"{path}: each upstream has a table of its own, [{TABLE}.NAME]")
        return
    if TABLE in tables and not upstreams:
        problems.append(f"{path}: there is no table [{TABLE}.NAME]")
    for name, table in upstreams.items():
        yield name, dict(_texts(f"{path}: [{TABLE}.{name}]", table, keys, environ, problems))


def _document(path: str, problems: list[str]) -> dict[str, Any]:
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"STREAM_CONFIG: {path!r} cannot be read: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}: this is not TOML: {error}")
    else:
        if TABLE not in document:
            problems.append(f"{path}: there is no table [{TABLE}.NAME]")
        return document
    return {}


def _texts(
    where: str,
    table: Mapping[str, Any],
    keys: Mapping[str, str],
    environ: Mapping[str, str],
    problems: list[str],
) -> Iterator[tuple[str, str]]:
    """Yield the name of the variable and the text of each key of a table."""
    for key, value in table.items():
        plain = key.removesuffix(BY_REFERENCE)
        if key in keys:
            yield keys[key], _text(value)
        elif plain not in keys:
            problems.append(f"{where} {_unknown(key, [*keys, *map(_reference, keys)], 'key')}")
        elif plain in table:
            problems.append(f"{where} {key}: {plain} is set, too")
        elif not isinstance(value, str) or not environ.get(value):
            problems.append(f"{where} {key}: the environment has no variable {value!r}")
        else:
            yield keys[plain], environ[value]


def _reference(key: str) -> str:
    return key + BY_REFERENCE


def _unknown(name: str, known: list[str], what: str) -> str:
    near = nearest(name, known)
    return f"{name}: there is no such {what}" + (f"; is it {near}?" if near else "")


def _text(value: object) -> str:
    """A value as it would be written into the environment."""
    match value:
        case str():
            return value
        case bool():
            return str(int(value))
        case list() if all(isinstance(item, str) for item in value):
            return ",".join(value)
        case dict() | list():
            return msgspec.json.encode(value).decode()
        case _:
            return str(value)
