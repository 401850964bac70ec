"""Local answers: what each kind of task is answered, without asking anybody.

A wrapper around a source. Answers are made of what the conversation holds; where a client
wants to be told something that it does not, the answer says in the client's form that there
is nothing.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from llm_proxy.adapter import extracts
from llm_proxy.adapter.context import code_of, without_context
from llm_proxy.adapter.tasks import Task, task_of
from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.reply import AT_HAND, Events, Source, Stamped, spoken
from llm_proxy.settings.task_patterns import TaskKind, TaskPattern

_HISTORY = re.compile(r"<chat_history>(.*?)(?:</chat_history>|\Z)", re.DOTALL)
_SPEAKER = re.compile(r"^(USER|ASSISTANT): ?", re.MULTILINE)
_CODE = re.compile(r"(?:code to (?:rewrite|modify)|ORIGINAL CODE):[ \t]*\n\s*(?=```|~~~)")


class WithLocalTasks:
    """A source that is asked only what nobody else can answer."""

    def __init__(self, source: Source, patterns: Sequence[TaskPattern]) -> None:
        self._source = source
        self._patterns = patterns

    def reply(self, request: ChatRequest) -> Events:
        """The answer to a task at once, and to everything else that of the source."""
        task = task_of(request, self._patterns)
        if task is None:
            yield from self._source.reply(request)
            return
        yield AT_HAND
        yield Stamped(origin=f"local:{task.kind}")
        answer = _ANSWERS[task.kind](task)
        for choice in range(request.n):
            yield from spoken(answer, choice)


def _title(task: Task) -> str:
    title = extracts.title([message.text for message in _conversation(task)])
    return _json(title=title) if '"title"' in task.prompt else title


def _summary(task: Task) -> str:
    return extracts.summary(_asked(task.before)) or extracts.summary(_conversation(task))


def _edit(task: Task) -> str:
    """The code as it is: an editor puts the answer in its place."""
    marked = _CODE.search(task.prompt)
    return code_of(task.prompt[marked.end() :] if marked else task.prompt)


def _queries(task: Task) -> str:
    question = _question(task)
    return _json(queries=[question] if question else [])


def _question(task: Task) -> str:
    users = [message.text for message in _conversation(task) if message.role == "user"]
    return extracts.excerpt(users[-1]) if users else ""


_ANSWERS: Mapping[TaskKind, Callable[[Task], str]] = {
    "title": _title,
    "summary": _summary,
    "edit": _edit,
    "insertion": lambda _: "",
    "follow_ups": lambda _: _json(follow_ups=[]),
    "tags": lambda _: _json(tags=["General"]),
    "queries": _queries,
    "image_prompt": lambda task: _json(prompt=_question(task)),
    "autocomplete": lambda _: _json(text=""),
    "emoji": lambda _: "🙂",
    "tool_calls": lambda _: _json(tool_calls=[]),
}


def _conversation(task: Task) -> list[Message]:
    """What the task is about: a history in the prompt, what follows it, or what went before."""
    history = _HISTORY.findall(task.prompt)
    if history:  # the last: the user's own words may hold one
        _, *turns = _SPEAKER.split(history[-1])
        speakers = zip(turns[::2], turns[1::2], strict=True)
        said = [Message(role=role.lower(), text=text.strip()) for role, text in speakers]  # type: ignore[arg-type]
        return _asked(said) or [Message(role="user", text=history[-1])]
    _, _, behind = task.prompt.strip().partition("\n\n")
    if behind.strip():
        return [Message(role="assistant", text=behind)]
    return _asked(task.before)


def _asked(messages: Sequence[Message]) -> list[Message]:
    """What was said, without the context in front of the questions."""
    return [
        Message(role="user", text=without_context(message.text))
        if message.role == "user"
        else message
        for message in messages
    ]


def _json(**fields: object) -> str:
    return msgspec.json.encode(fields).decode()
