"""The wrapper that lets a reply get into the trouble that was asked for."""

from collections.abc import Collection
from contextlib import closing

from msgspec.structs import replace

from llm_proxy.core.reply import (
    ASIDES,
    Annotations,
    Events,
    Finish,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    WireFault,
)
from llm_proxy.core.runs import singly
from llm_proxy.errors import ScriptedError
from llm_proxy.mock.faults import NO_TROUBLE, Trouble


def troubled(events: Events, trouble: Trouble, offered: Collection[str] = ()) -> Events:
    """The reply with all that is to happen to it; `offered` are the names of the tools.

    Raises:
        ScriptedError: as the trouble says, before the first event or in the middle.
    """
    return events if trouble is NO_TROUBLE else _troubled(events, trouble, offered)


def _troubled(events: Events, trouble: Trouble, offered: Collection[str]) -> Events:
    with closing(events):
        if trouble.wire is not None:
            yield trouble.wire
        if trouble.delay_seconds:
            yield Pause(trouble.delay_seconds, silent=True)
        spoken = trouble.spoken
        if trouble.error is not None and spoken is None:
            raise trouble.error
        if spoken is not None:
            match spoken.kind:
                case "error_event":
                    assert trouble.error is not None
                    events = _interrupted(singly(events), trouble.error, spoken.after)
                case "bad_tool_arguments":
                    events = _with_bad_arguments(events)
                case "unknown_tool":
                    events = _with_unknown_tool(events, offered)
        if trouble.cut_after_seconds is not None:
            events = _cut_off(singly(events), trouble.cut_after_seconds)
        yield from events


def _interrupted(events: Events, error: ScriptedError, after: int) -> Events:
    """Raise the error behind so many pieces of content.

    Something that says nothing comes before an error that is the first of all: it begins the
    answer, so that the error is part of a stream, and not a status.
    """
    content = TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta
    count = 0
    with closing(events):
        for event in events:
            if count == after and isinstance(event, content | Finish):
                yield Annotations((), event.choice)
                raise error
            count += isinstance(event, content)
            yield event


def _with_bad_arguments(events: Events) -> Events:
    """Take the last character of the first call's arguments away: what is left is no JSON."""
    held: ToolCallDelta | None = None
    with closing(events):
        for event in events:
            if isinstance(event, ASIDES):
                yield event
                continue
            of_first = isinstance(event, ToolCallDelta) and event.index == 0
            if held is not None:
                goes_on = of_first and event.choice == held.choice
                yield held if goes_on else replace(held, arguments=held.arguments[:-1])
                held = None
            if of_first and isinstance(event, ToolCallDelta) and event.arguments:
                held = event
            else:
                yield event


def _with_unknown_tool(events: Events, offered: Collection[str]) -> Events:
    """Let the first call name a tool that was not offered."""
    name = "unknown_tool"
    while name in offered:
        name += "_"
    with closing(events):
        for event in events:
            if isinstance(event, ToolCallDelta) and event.index == 0 and event.name is not None:
                event = replace(event, name=name)
            yield event


def _cut_off(events: Events, seconds: float) -> Events:
    """End the connection when the pauses have taken so many seconds."""
    left, cut = seconds, False
    with closing(events):
        for event in events:
            seconds = event.seconds if isinstance(event, Pause) else 0.0
            if not cut and seconds >= left:
                yield Pause(left)
                yield WireFault("disconnect")
                cut = True
            left -= seconds
            if not (cut and seconds):  # nobody waits for what is not sent
                yield event
