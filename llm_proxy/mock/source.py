"""The source of the mock's replies: what it says, which tools it calls, and how fast."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from llm_proxy.errors import NoFixtureMatch
from llm_proxy.mock.calls import chosen_tools, tool_calls
from llm_proxy.mock.canned import canned_reply
from llm_proxy.mock.chance import number_of
from llm_proxy.mock.examples import example_text
from llm_proxy.mock.fixtures import replies
from llm_proxy.mock.fixtures.facts import NAMED, Facts, facts_of
from llm_proxy.mock.fixtures.fixture import Failed, Match, Spoken
from llm_proxy.mock.fixtures.library import Fixtures
from llm_proxy.mock.pacing import Pace, paced
from llm_proxy.reply import ChatRequest, Events, spoken
from llm_proxy.settings import MockSettings

log = logging.getLogger(__name__)


class MockSource:
    """Answers every request, the same way each time: by a fixture, or as the settings say."""

    def __init__(
        self,
        settings: MockSettings,
        fixtures: Fixtures | None = None,
        now: Callable[[], datetime] = replies.utc_now,
    ) -> None:
        self._settings = settings
        self._fixtures = fixtures
        self._now = now
        self._pace = Pace(
            ttft_seconds=settings.ttft_ms / 1000,
            tokens_per_second=settings.tokens_per_second,
            jitter=settings.jitter,
        )

    def reply(self, request: ChatRequest) -> Events:
        """The words or tool calls of each choice, then its finish.

        Raises:
            ScriptedError: a fixture says so.
            NoFixtureMatch: no fixture answers the request, and nothing else may.
            InternalError: the template of a fixture failed.
        """
        number = number_of(request, self._settings.seed)
        fixtures = self._fixtures
        if fixtures is not None and (fixtures or NAMED in request.headers):
            facts = facts_of(request)
            match = fixtures.match(facts)
            if match is not None:
                return self._played(match, facts, request.n, number)
            self._missed(fixtures.why(facts))
        elif self._settings.reply == "none":
            self._missed([])
        events = self._choices(request, number)
        return paced(events, self._pace, number) if self._pace else events

    def _missed(self, nearest: Sequence[str]) -> None:
        """Tell that no fixture matched, and why.

        Raises:
            NoFixtureMatch: there is nothing else to answer with.
        """
        told = f" Nearest: {', '.join(nearest)}." if nearest else " There are none."
        if self._settings.reply == "none":
            log.warning("No fixture answers a request.%s", told)
            raise NoFixtureMatch(f"No fixture answers this request.{told}")
        log.info("No fixture answers a request, MOCK_REPLY does.%s", told)

    def _played(self, match: Match, facts: Facts, choices: int, number: int) -> Events:
        fixture = match.fixture
        yield replies.signed(match)
        match fixture.response:
            case Failed() as failed:
                raise failed.error()
            case Spoken() as response:
                names = replies.names_for(match, facts.request, self._now())
                events = replies.spoken_events(response, names, choices, number, fixture.chunk_size)
                yield from replies.timed(events, fixture.timing, self._pace, number)

    def _choices(self, request: ChatRequest, number: int) -> Events:
        tools = chosen_tools(request)
        for choice in range(request.n):
            if tools:
                yield from tool_calls(tools, number + choice, choice)
            else:
                yield from spoken(self._text(request, number + choice), choice)

    def _text(self, request: ChatRequest, number: int) -> str:
        if request.schema is not None:
            return example_text(request.schema, number)
        if self._settings.reply == "echo":
            return request.last_user_text()
        return canned_reply(number)
