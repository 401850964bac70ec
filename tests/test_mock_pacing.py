"""How fast the mock answers: named paces, what overrides them, and many streams at once."""

import asyncio
import json
from typing import get_args

import pytest

from llm_proxy.core.reply import (
    IDLE,
    Event,
    Finish,
    Pause,
    ReasoningDelta,
    RefusalDelta,
    TextRun,
    ToolCallDelta,
    spoken,
)
from llm_proxy.core.runs import singly
from llm_proxy.mock.pacing import Pace, paced
from llm_proxy.mock.profiles import BY_MODEL, PROFILES, pace, profile
from llm_proxy.settings import MockSettings, ProfileName
from tests.builders import chat_document, stream_of
from tests.servers import PATIENCE_SECONDS, running_gunicorn

STREAMS = 200


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "standard"),
        ("gpt-4o-mini", "fast"),
        ("gpt-4.1-nano", "fast"),
        ("gpt-3.5-turbo", "fast"),
        ("gpt-4", "large"),
        ("gpt-4-turbo", "large"),
        ("o3", "reasoning"),
        ("o4-mini", "fast"),
        ("gpt-5.1", "reasoning"),
        ("llama-3.1-8b-instruct", "local"),
        ("text-embedding-3-small", "instant"),
        ("anything else", "standard"),
    ],
)
def test_auto_is_the_profile_of_the_models_class(model: str, name: ProfileName) -> None:
    assert profile("auto", model) == PROFILES[name]


def test_every_profile_that_the_setting_allows_exists() -> None:
    assert {*PROFILES, "auto"} == set(get_args(ProfileName))
    assert {name for _, name in BY_MODEL} <= set(PROFILES)


def test_without_any_setting_there_is_no_pace() -> None:
    assert not pace(MockSettings(), "gpt-4o")


def test_what_is_spelled_out_overrides_the_profile() -> None:
    settings = MockSettings(profile="large", ttft_ms=20)
    assert pace(settings, "gpt-4o") == Pace(ttft_seconds=0.02, tokens_per_second=40, jitter=0.2)


def test_a_pause_is_as_long_as_its_word_is_in_tokens() -> None:
    events = paced(spoken("One thousand. "), Pace(ttft_seconds=0.5, tokens_per_second=2), seed=0)
    assert list(events) == [TextRun(("One ", "thousand. "), delays=(0.5, 1.5)), Finish()]


def test_a_pause_is_as_long_as_what_is_no_text_is_in_tokens() -> None:
    said: list[Event] = [
        ReasoningDelta("Thinking"),
        RefusalDelta("No."),
        ToolCallDelta(0, "call_a", "stop"),
    ]
    pace = Pace(ttft_seconds=0.5, tokens_per_second=2)
    assert list(paced(stream_of([IDLE, *said, Finish()]), pace, seed=0)) == [
        IDLE,
        Pause(0.5),
        said[0],
        Pause(0.5),
        said[1],
        Pause(0.5),
        said[2],
        Finish(),
    ]


def test_jitter_is_within_its_share_and_the_same_for_the_same_seed() -> None:
    def pauses(seed: int) -> list[float]:
        speed = Pace(ttft_seconds=1, tokens_per_second=1, jitter=0.25)
        events = singly(paced(spoken("a b c d e"), speed, seed))
        return [event.seconds for event in events if isinstance(event, Pause)]

    assert pauses(1) == pauses(1)
    assert pauses(1) != pauses(2)
    assert all(0.75 <= seconds <= 1.25 for seconds in pauses(3))


def test_hundreds_of_paced_streams_are_served_at_once() -> None:
    """No stream ends before all have begun: each begins at once, and takes long."""
    body = json.dumps(chat_document("word " * 40, stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    begun: list[int] = []

    async def read_one(port: int) -> tuple[int, bytes]:
        """How many streams had begun when this one ended, and what it was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        received = await reader.readuntil(b"data: ")
        begun.append(1)
        received += await reader.readuntil(b"[DONE]")
        at_its_end = len(begun)
        writer.close()
        return at_its_end, received

    async def read_all(port: int) -> list[tuple[int, bytes]]:
        streams = (read_one(port) for _ in range(STREAMS))
        return await asyncio.wait_for(asyncio.gather(*streams), PATIENCE_SECONDS)

    with running_gunicorn(
        MOCK_REPLY="echo", MOCK_TTFT_MS="1", MOCK_TOKENS_PER_SECOND="20"
    ) as server:
        results = asyncio.run(read_all(int(server.url.rpartition(":")[2])))
    assert [begun_by_then for begun_by_then, _ in results] == [STREAMS] * STREAMS
    assert all(received.count(b"word ") == 40 for _, received in results)
