"""Task patterns: how the chores are told that clients give a model behind their user's back.

Owns their kinds and the rule of the setting. Must not know how a chore is done.
"""

from typing import Literal, get_args

import msgspec
from msgspec import Struct

TaskKind = Literal[
    "title",
    "summary",
    "edit",
    "insertion",
    "follow_ups",
    "tags",
    "queries",
    "image_prompt",
    "autocomplete",
    "emoji",
    "tool_calls",
]


class TaskPattern(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chore is a request whose last message of a role begins so, and holds that.

    White space and the case of letters do not matter; neither does an editor's context in
    front of it.
    """

    kind: TaskKind
    begins: str
    holds: str = ""
    role: Literal["user", "system"] = "user"


def task_patterns(raw: str) -> tuple[TaskPattern, ...]:
    """The rule of the setting: a JSON array of patterns.

    Raises:
        ValueError: says what is wrong, and what is allowed.
    """
    try:
        patterns = msgspec.json.decode(raw, type=tuple[TaskPattern, ...])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(
            'the value is not a JSON array like [{"kind": "title", "begins": "Name this chat"}]: '
            f"{error}. The kinds are {', '.join(get_args(TaskKind))}"
        ) from None
    if not all(pattern.begins.strip() for pattern in patterns):
        raise ValueError("a pattern has to begin with something")
    return patterns
