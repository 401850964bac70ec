"""Tasks: the chores that clients give a model behind their user's back.

Session titles, summaries of long conversations and the like are no questions: a search for
them finds nothing, and costs as much as a real one. Pure: tells them by their prompts.
"""

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from llm_proxy.adapter.context import without_context
from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.settings.task_patterns import TaskKind, TaskPattern

KNOWN = (
    # Continue
    TaskPattern(
        kind="title", begins="Given the following... please reply with a title for the chat"
    ),
    TaskPattern(kind="summary", begins="Create a comprehensive summary of this conversation"),
    TaskPattern(
        kind="edit", begins="The user has requested a section of code in a file to be rewritten"
    ),
    TaskPattern(kind="edit", begins="The user has requested that a suggested edit be applied"),
    TaskPattern(kind="edit", begins="ORIGINAL CODE:", holds="SUGGESTED EDIT:"),
    TaskPattern(kind="edit", begins="Please rewrite the above file to address the following"),
    TaskPattern(
        kind="insertion", begins="Above is the file of code that the user is currently editing in"
    ),
    # Open WebUI
    TaskPattern(kind="title", begins="### Task: Generate a concise", holds="title"),
    TaskPattern(kind="follow_ups", begins="### Task: Suggest 3-5 relevant follow-up"),
    TaskPattern(kind="tags", begins="### Task: Generate 1-3 broad tags"),
    TaskPattern(
        kind="queries", begins="### Task: Analyze the chat history to determine the necessity of"
    ),
    TaskPattern(kind="image_prompt", begins="### Task: Generate a detailed prompt for a"),
    TaskPattern(kind="autocomplete", begins="### Task: You are an autocompletion system"),
    TaskPattern(
        kind="emoji", begins="Your task is to reflect the speaker's likely facial expression"
    ),
    TaskPattern(
        kind="tool_calls",
        role="system",
        begins="Available Tools:",
        holds="Your task is to choose and return the correct tool(s)",
    ),
)
"""What is known of the prompts of Continue and Open WebUI, in these clients' own words."""

_BEGINNING = 2000
"""Characters of a message that are looked at for how it begins."""


class Task(Struct, frozen=True):
    """A chore: its kind, its prompt, and the messages of the conversation before the prompt."""

    kind: TaskKind
    prompt: str
    before: tuple[Message, ...] = ()


def task_of(request: ChatRequest, patterns: Sequence[TaskPattern]) -> Task | None:
    """The chore that the request is by the first pattern that fits, or nothing."""
    last: dict[str, int] = {}
    for number, message in enumerate(request.messages):
        last["system" if message.role == "developer" else message.role] = number
    texts = {role: request.messages[number].text for role, number in last.items()}
    beginnings = {role: _beginnings(texts[role]) for role in ("user", "system") if role in texts}
    for pattern in patterns:
        begins = _pattern_folded(pattern.begins)
        if any(start.startswith(begins) for start in beginnings.get(pattern.role, ())) and (
            _pattern_folded(pattern.holds) in _folded(texts[pattern.role])
        ):
            prompt = last.get("user", last[pattern.role])
            return Task(pattern.kind, request.messages[prompt].text, request.messages[:prompt])
    return None


def _beginnings(text: str) -> tuple[str, str]:
    """How a message begins, and how it goes on behind an editor's context."""
    return _folded(text[:_BEGINNING]), _folded(without_context(text)[:_BEGINNING])


@lru_cache(maxsize=256)
def _pattern_folded(text: str) -> str:
    return _folded(text)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
