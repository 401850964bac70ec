"""The chores of clients are told from questions, and answered without asking anybody."""

import json
import re
import time
from collections.abc import Sequence

import pytest

from llm_proxy.adapter.extracts import excerpt, summary, title
from llm_proxy.adapter.local_answers import WithLocalTasks
from llm_proxy.adapter.tasks import KNOWN, task_of
from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.core.reply import AT_HAND, Events, Finish, Stamped, TextDelta, spoken
from llm_proxy.core.runs import singly
from llm_proxy.settings.task_patterns import TaskPattern, task_patterns
from tests.client_tasks import (
    APPLY,
    APPLY_WITHIN,
    CODE,
    COMPACTION,
    EDIT,
    INSERTION,
    OPEN_WEBUI,
    TITLE,
    TOOL_CALLS,
    WHOLE_FILE,
)

ANSWER = (
    "Birds sing at dawn. Dawn is when a bird is heard best, as the air is still.\n\n"
    "```py\nsing(sing)\n```\n\n**Citations:**\n\n- 1\n- 22"
)


class Unasked:
    """A source that must not be asked, unless it is about to answer `asked`."""

    def reply(self, request: ChatRequest) -> Events:
        yield from spoken(f"asked: {request.last_user_text()}")


def request_of(*messages: tuple[str, str], n: int = 1) -> ChatRequest:
    return ChatRequest(
        model="m",
        messages=tuple(Message(role=role, text=text) for role, text in messages),  # type: ignore[arg-type]
        n=n,
    )


def events_of(request: ChatRequest, patterns: Sequence[TaskPattern] = KNOWN) -> Sequence[object]:
    reply = WithLocalTasks(Unasked(), patterns).reply(request)
    return [event for event in singly(reply) if event is not AT_HAND]


def answered(*messages: tuple[str, str]) -> tuple[str, str]:
    """The kind of task that the messages are, and what it is answered."""
    stamped, *events, finish = events_of(request_of(*messages))
    assert isinstance(stamped, Stamped)
    assert finish == Finish()
    texts = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(texts) == len(events)
    return stamped.origin.removeprefix("local:"), "".join(texts)


def test_a_title_is_made_of_the_words_of_the_answer() -> None:
    assert answered(("user", TITLE + ANSWER)) == ("title", "Birds sing dawn bird")


def test_a_summary_is_made_of_the_beginnings_of_what_was_said() -> None:
    kind, text = answered(
        ("system", "You are helpful."),
        ("user", "```a.py\nx\n```\n\nWhy do birds sing?"),
        ("assistant", ANSWER),
        ("user", "And _cats_?\nDo they?"),
        ("assistant", ""),
        ("tool", "42"),
        ("assistant", "See [the docs](https://a.example/x)."),
        ("user", COMPACTION),
    )
    assert (kind, text.split("\n")) == (
        "summary",
        [
            "- User: Why do birds sing?",
            "- Assistant: Birds sing at dawn. Dawn is when a bird is heard best, "
            "as the air is still.",
            "- User: And cats? Do they?",
            "- Assistant: See the docs.",
        ],
    )


def test_a_summary_of_nothing_holds_what_the_prompt_holds() -> None:
    kind, text = answered(("user", COMPACTION))
    assert (kind, text) == (
        "summary",
        "- Assistant: Write it so that the conversation can go on from it.",
    )


@pytest.mark.parametrize("prompt", [EDIT, APPLY, APPLY_WITHIN, WHOLE_FILE])
def test_an_edit_leaves_the_code_as_it_is(prompt: str) -> None:
    """The answer takes the place of the code: anything else would destroy it."""
    assert answered(("user", prompt), ("assistant", "```\n")) == ("edit", CODE)


def test_an_insertion_inserts_nothing() -> None:
    assert answered(("user", INSERTION)) == ("insertion", "")


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("title", {"title": "migratory birds sing dawn"}),
        ("follow_ups", {"follow_ups": []}),
        ("tags", {"tags": ["General"]}),
        ("queries", {"queries": ["Why do migratory birds sing at dawn?"]}),
        ("image_prompt", {"prompt": "Why do migratory birds sing at dawn?"}),
        ("autocomplete", {"text": ""}),
    ],
)
def test_open_webui_is_answered_in_json(kind: str, answer: object) -> None:
    told, text = answered(("user", OPEN_WEBUI[kind]))
    assert (told, json.loads(text)) == (kind, answer)


def test_a_face_is_one_character() -> None:
    kind, text = answered(("user", OPEN_WEBUI["emoji"]))
    assert (kind, len(text)) == ("emoji", 1)


def test_tools_are_not_chosen_here() -> None:
    kind, text = answered(("system", TOOL_CALLS), ("user", "Query: why?"))
    assert (kind, json.loads(text)) == ("tool_calls", {"tool_calls": []})


def test_a_title_in_plain_text_is_plain_text() -> None:
    prompt = re.sub("JSON format: .*", "Only the title.", OPEN_WEBUI["title"])
    assert answered(("user", prompt)) == ("title", "migratory birds sing dawn")


@pytest.mark.parametrize(
    "text",
    [
        "Why do birds sing?",
        "What is 'Create a comprehensive summary of this conversation' good for?",
        "Please reply with a title for the chat.",
        "ORIGINAL CODE: where is it?",
        "### Task:\nBuild a nest.",
        "Summarise this conversation.",
        "```py\nx\n```\n\nWhat does the above file do?",
        "",
    ],
)
def test_a_question_is_asked(text: str) -> None:
    assert task_of(request_of(("user", text)), KNOWN) is None
    assert events_of(request_of(("user", text))) == [*singly(spoken(f"asked: {text}"))]


def test_only_the_last_message_makes_a_task() -> None:
    request = request_of(("user", TITLE + "x"), ("assistant", "Birds"), ("user", "Why?"))
    assert task_of(request, KNOWN) is None


@pytest.mark.parametrize(
    "text",
    [
        "  GIVEN the following...  please\nreply with a title for the chat\n\nx",
        "```a.py\nx\n```\n\nCreate a comprehensive summary of this conversation.",
    ],
)
def test_white_space_case_and_context_do_not_hide_a_task(text: str) -> None:
    assert task_of(request_of(("user", text)), KNOWN) is not None


def test_each_choice_has_the_answer() -> None:
    events = events_of(request_of(("user", INSERTION), n=2))
    assert events == [Stamped(origin="local:insertion"), Finish(), Finish(choice=1)]


def test_patterns_can_be_added() -> None:
    patterns = task_patterns(
        '[{"kind": "title", "begins": "name this chat"},'
        ' {"kind": "tags", "begins": "x", "role": "system", "holds": "y"}]'
    )
    assert patterns == (
        TaskPattern(kind="title", begins="name this chat"),
        TaskPattern(kind="tags", begins="x", holds="y", role="system"),
    )
    request = request_of(("user", "why do birds sing?"), ("user", "Name this chat."))
    assert task_of(request, KNOWN) is None
    assert events_of(request, patterns)[1:] == [*singly(spoken("birds sing"))]


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ("x", "is not a JSON array like"),
        ('[{"kind": "poem", "begins": "x"}]', "The kinds are title, summary, edit,"),
        ('[{"kind": "title"}]', "missing required field `begins`"),
        ('[{"kind": "title", "begin": "x", "begins": "x"}]', "unknown field `begin`"),
        ('[{"kind": "title", "begins": " "}]', "has to begin with something"),
    ],
)
def test_a_wrong_pattern_is_refused(raw: str, part: str) -> None:
    with pytest.raises(ValueError, match=re.escape(part)):
        task_patterns(raw)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["The birds of the forest"], "birds forest"),
        (["one bird, two birds, and the bird again in a nest of a bird"], "one bird two birds"),
        (["is it?", "It is about caching HTTP requests"], "caching HTTP requests"),
        (["Use `snake_case` in node.js, don't use **camelCase**"], "snake_case node.js camelCase"),
        (["it is so"], "it is so"),
        (["Wo wohnt der Storch mit seinen Jungen"], "wohnt der Storch mit"),
        (["鸟为什么在黎明歌唱"], "鸟为什么在黎明歌唱"),
        (["https://a.example/x [docs](https://b.example) page"], "docs page"),
        (["```py\nx\n```"], "py x"),
        ([], "Untitled"),
        (["", "?!"], "Untitled"),
    ],
)
def test_a_title_has_the_words_that_are_said_most(texts: list[str], expected: str) -> None:
    assert title(texts) == expected


def test_a_title_is_short_whatever_the_words_are() -> None:
    made = title([" ".join(letter * 25 for letter in "abcdef"), "x" * 500])
    assert made == f"{'a' * 25} {'b' * 25}"
    assert title(["x" * 500]) == "x" * 60


def test_an_excerpt_ends_with_a_sentence_or_with_a_word() -> None:
    sentence = "One two three four five six seven eight nine ten. "
    assert excerpt(sentence * 20) == (sentence * 8).strip()
    long = excerpt("word " * 200)
    assert (len(long) <= 400, long[-5:]) == (True, "word…")
    assert len(excerpt("x" * 1000)) == 400


def test_a_long_conversation_is_summarised_by_its_beginning_and_its_end() -> None:
    lines = summary(Message(role="user", text=f"number {n}") for n in range(100)).split("\n")
    assert len(lines) == 61
    assert (lines[0], lines[30], lines[-1]) == ("- User: number 0", "- …", "- User: number 99")


@pytest.mark.parametrize(
    "filling", ["[", "[a](", "```\n", "a. ", " ", "\n", "ORIGINAL CODE:\n", "<chat_history>"]
)
@pytest.mark.parametrize("kind", ["title", "summary", "edit", "queries"])
def test_the_longest_prompt_takes_no_longer_than_reading_it(kind: str, filling: str) -> None:
    beginnings = {"title": TITLE, "summary": COMPACTION, "edit": APPLY, **OPEN_WEBUI}
    prompt = beginnings[kind] + "\n\n<chat_history>\nUSER: " + filling * 300_000 + "x"
    began = time.monotonic()
    answered(("user", filling * 300_000), ("assistant", filling * 300_000), ("user", prompt))
    assert time.monotonic() - began < 20
