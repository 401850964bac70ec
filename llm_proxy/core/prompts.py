"""Prompts: a completion request may hold several, and each is asked alone.

The API takes many prompts at once only to save round trips; a source need not know of it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

from msgspec.structs import replace

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import ASIDES, AtHand, Event, Events, Finish, Source, Usage

Wrapper = Callable[[Events, ChatRequest], Events]


def as_it_is(events: Events, _: ChatRequest) -> Events:
    """The reply without anything around it."""
    return events


def replies(source: Source, request: ChatRequest, wrapped: Wrapper = as_it_is) -> Events:
    """The reply to a request; to one with several prompts, the replies one after the other.

    Each reply is `wrapped`, together with the request that it is a reply to, before they are
    put in one row and their usage is added up: limits and counts are those of one prompt.

    Raises:
        ProxyError: as the source or the wrapper raises it, for any of the prompts.
    """
    if request.endpoint != "completions" or len(request.messages) == 1:
        return wrapped(source.reply(request), request)
    return _row(source, request, wrapped)


def _row(source: Source, request: ChatRequest, wrapped: Wrapper) -> Events:
    before = Usage(0, 0)
    for index, alone in enumerate(separated(request)):
        counted = Usage(0, 0)
        with closing(wrapped(source.reply(alone), alone)) as events:
            for event in events:
                if isinstance(event, AtHand):  # the next reply may not be
                    continue
                if isinstance(event, Finish) and event.usage is not None:
                    counted = event.usage
                    event = replace(event, usage=_sum(before, counted))
                yield _moved(event, index * alone.n)
        before = _sum(before, counted)


def separated(request: ChatRequest) -> Iterator[ChatRequest]:
    """One request for each prompt, as if nothing else had been asked."""
    n = request.n // len(request.messages)
    for part, message in enumerate(request.messages):
        yield replace(request, messages=(message,), n=n, part=part)


def _moved(event: Event, places: int) -> Event:
    """The event of the choice that stands so many places behind."""
    return event if isinstance(event, ASIDES) else replace(event, choice=event.choice + places)


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.reasoning_tokens + other.reasoning_tokens,
        one.cached_tokens + other.cached_tokens,
    )
