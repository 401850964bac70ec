"""Reading settings: from text under names to the fields of a dataclass, every problem listed.

Knows no setting by name. `setting` declares a field; `values_of` reads a group of them.
"""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class SettingsError(ValueError):
    """Some settings are wrong; the message lists all of them, one on a line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("These settings are wrong:\n" + "\n".join(f"  {p}" for p in problems))


def setting(
    name: str,
    default: object,
    rule: Callable[[str], object],
    *,
    empty: bool = False,
    own: bool = False,
) -> Any:
    """A dataclass field read from the variable `name`.

    An empty variable counts as not set, unless `empty` says that it means something. `own`
    is what belongs to one upstream, such as its password, and is never handed to another.
    """
    metadata = {"name": name, "rule": rule, "empty": empty, "own": own}
    return dataclasses.field(default=default, metadata=metadata)


def fields_of(group: object) -> Mapping[str, dataclasses.Field[Any]]:
    """The fields of a group that are settings, by the names of their variables."""
    fields = dataclasses.fields(group)  # type: ignore[arg-type]
    return {field.metadata["name"]: field for field in fields if "name" in field.metadata}


def values_of(
    group: object,
    texts: Mapping[str, str],
    problems: list[str],
    shown: Callable[[str], str] = str,
) -> dict[str, Any]:
    """The values of those fields of a group that `texts` have, by the names of the fields.

    What is wrong is added to `problems`, under the name of the variable as it is `shown`.
    """
    values: dict[str, Any] = {}
    for name, field in fields_of(group).items():
        raw = texts.get(name)
        if raw is None or (raw == "" and not field.metadata["empty"]):
            continue
        try:
            values[field.name] = field.metadata["rule"](raw)
        except ValueError as error:
            problems.append(f"{shown(name)}: {error}")
    return values


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that `name` is most like, if it is like any."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=likeness)
    return near[0] if near else None
