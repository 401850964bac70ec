"""Several prompts in one request: each is asked alone, and the choices stand in one row."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from llm_proxy.core.bounds import bounded
from llm_proxy.core.chat_request import ChatRequest, Endpoint, Message
from llm_proxy.core.prompts import replies, separated
from llm_proxy.core.reply import IDLE, Event, Events, Finish, Stamped, TextDelta, Usage
from llm_proxy.core.tokenizers import Characters
from llm_proxy.core.tokens import count_prompt, metered
from llm_proxy.errors import UpstreamError
from tests.builders import stream_of
from tests.fixtures import fixture, fixture_client


class Echo:
    """A source that says back each prompt, once a choice; it keeps what it was asked."""

    def __init__(self, usage: Usage | None = None, *behind: Event | Exception) -> None:
        self.asked: list[ChatRequest] = []
        self.closed = 0
        self._usage = usage
        self._behind: Iterable[Event | Exception] = behind

    def reply(self, request: ChatRequest) -> Events:
        self.asked.append(request)
        try:
            for choice in range(request.n):
                yield IDLE
                yield TextDelta(request.last_user_text(), choice)
                yield Finish("stop", self._usage, choice)
            yield from stream_of(self._behind)
        finally:
            self.closed += 1


def asked(*prompts: str, n: int = 1, endpoint: Endpoint = "completions") -> ChatRequest:
    messages = tuple(Message(role="user", text=prompt) for prompt in prompts)
    return ChatRequest(endpoint=endpoint, model="m", messages=messages, n=n * len(messages))


def test_each_prompt_is_asked_alone() -> None:
    assert list(separated(asked("a", "b", n=2))) == [
        asked("a", n=2),
        replace(asked("b", n=2), part=1),
    ]


def test_the_choices_of_all_prompts_stand_in_one_row() -> None:
    events = [event for event in replies(Echo(), asked("a", "b", n=2)) if event is not IDLE]
    assert events == [
        TextDelta("a", 0),
        Finish("stop", None, 0),
        TextDelta("a", 1),
        Finish("stop", None, 1),
        TextDelta("b", 2),
        Finish("stop", None, 2),
        TextDelta("b", 3),
        Finish("stop", None, 3),
    ]


def test_usage_that_a_source_knows_adds_up() -> None:
    """The last finish of a reply tells all of it, so the replies are summed and not the choices."""
    events = replies(Echo(Usage(5, 2, 1, 3)), asked("a", "b", n=2))
    assert [event.usage for event in events if isinstance(event, Finish)] == [
        Usage(5, 2, 1, 3),
        Usage(5, 2, 1, 3),
        Usage(10, 4, 2, 6),
        Usage(10, 4, 2, 6),
    ]


@pytest.mark.parametrize(
    "request_", [asked("a"), asked("a", "b", endpoint="chat"), asked("a", endpoint="responses")]
)
def test_a_conversation_is_passed_on_whole(request_: ChatRequest) -> None:
    source = Echo()
    assert list(replies(source, request_)) == list(Echo().reply(request_))
    assert source.asked == [request_]


def test_a_failure_ends_the_whole_reply() -> None:
    source = Echo(None, UpstreamError("It broke off."))
    events = replies(source, asked("a", "b"))
    with pytest.raises(UpstreamError):
        list(events)
    assert len(source.asked) == source.closed == 1


def test_closing_the_reply_closes_the_source() -> None:
    source = Echo()
    events = replies(source, asked("a", "b"))
    next(events)
    events.close()
    assert source.closed == 1


def test_each_reply_is_wrapped_with_its_own_request() -> None:
    """So are its bounds kept, and its tokens counted, whatever the source tells of others."""

    class Mixed:
        def reply(self, request: ChatRequest) -> Events:
            knows = request.part == 0
            yield Stamped("known", verbatim=knows)
            yield TextDelta("12345678")
            yield Finish("stop", Usage(100, 50) if knows else None)

    def measured(events: Events, alone: ChatRequest) -> Events:
        bound = bounded(events, alone, Characters())
        return metered(bound, count_prompt(alone, Characters()), Characters())

    request = replace(asked("1234", "12345678"), max_tokens=1)
    assert list(replies(Mixed(), request, measured)) == [
        Stamped("known", verbatim=True),
        TextDelta("12345678", 0),
        Finish("stop", Usage(100, 50), 0),
        Stamped("known"),
        TextDelta("1234", 1),
        Finish("length", Usage(102, 51), 1),
    ]


def test_usage_is_the_sum_over_all_prompts_in_whatever_order(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 50}
    mock = fixture_client(
        tmp_path,
        fixture({"userMessage": "told"}, {"content": "x", "usage": usage}),
        fixture({"userMessage": "other"}, {"content": "12345678"}),
    )
    for prompts in (["told", "other"], ["other", "told"]):
        answer = mock.post("/v1/completions", json={"model": "m", "prompt": prompts}).get_json()
        assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (102, 52)


def test_each_prompt_is_cut_at_its_own_limit(tmp_path: Path) -> None:
    """One whose reply was counted by somebody else frees no other."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    mock = fixture_client(
        tmp_path,
        fixture(
            {"userMessage": "rect"},
            {"content": "one two", "usage": usage},
            recordedTimings={"ttftMs": 0},
        ),
        fixture({"userMessage": "other"}, {"content": "12345678"}),
    )
    sent = {"model": "m", "prompt": ["rect", "other"], "max_tokens": 1}
    choices = mock.post("/v1/completions", json=sent).get_json()["choices"]
    assert [(one["text"], one["finish_reason"]) for one in choices] == [
        ("one two", "stop"),
        ("1234", "length"),
    ]
