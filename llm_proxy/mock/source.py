"""The source of the mock's replies: who gives one, how fast, and what goes wrong with it."""

import logging
from collections.abc import Callable
from datetime import datetime

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import AT_HAND, Events, Noted, Source
from llm_proxy.errors import NoFixtureMatch
from llm_proxy.mock.chance import number_of
from llm_proxy.mock.decisions import MATCHED, MISSED, Decision, Decisions
from llm_proxy.mock.faults.wrapper import troubled
from llm_proxy.mock.fixtures.facts import facts_of
from llm_proxy.mock.fixtures.replies import Told, utc_now
from llm_proxy.mock.latest import Latest
from llm_proxy.mock.pacing import Pace, paced
from llm_proxy.mock.profiles import pace
from llm_proxy.mock.unscripted import unscripted
from llm_proxy.namespaces import namespace_of
from llm_proxy.settings import MockSettings
from llm_proxy.state import State

log = logging.getLogger(__name__)


class MockSource:
    """Answers every request, the same way each time: by a fixture, or as the settings say."""

    def __init__(
        self,
        settings: MockSettings,
        state: State,
        decisions: Decisions,
        recorder: Source | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._decisions = decisions
        self._recorder = recorder
        self._pacing = Latest(state, "pacing", lambda scripted: scripted.document)
        self._now = now

    def reply(self, request: ChatRequest) -> Events:
        """The words or tool calls of each choice, then its finish.

        Of several prompts only the first one is asked what is to go wrong, as it goes wrong
        with the answer to all of them.

        Raises:
            ScriptedError: as somebody asked for, or a fixture says.
            InvalidRequest: somebody asked for it in a wrong way.
            NoFixtureMatch: no fixture answers the request, and nothing else may.
            InternalError: the template of a fixture failed.
        """
        further = request.part > 0
        decision = self._decisions.decide(
            request.headers, lambda: facts_of(request), stream=request.stream, further=further
        )
        events = self._events(request, decision)
        if further:
            return events
        return troubled(events, decision.trouble, [tool.name for tool in request.tools])

    def _events(self, request: ChatRequest, decision: Decision) -> Events:
        settings = self._settings
        number = number_of(request, settings.seed)
        if decision.match is not None:
            yield AT_HAND
            yield Noted(MATCHED)
            seen = decision.facts.request if decision.facts else {}
            told = Told(decision.match, seen, request.n, number, self._now())
            yield from told.events(self._pace(request), settings.replay_speed)
            return
        if decision.facts is not None:
            yield Noted(MISSED)
        if self._recorder is not None:
            yield from self._recorder.reply(request)
            return
        self._missed(decision)
        yield AT_HAND
        events = unscripted(request, number, echo=settings.reply == "echo")
        speed = self._pace(request)
        yield from paced(events, speed, number) if speed else events

    def _pace(self, request: ChatRequest) -> Pace:
        asked = self._pacing.holding(namespace_of(request.headers)) or {}
        return pace(self._settings, request.model, asked)

    def _missed(self, decision: Decision) -> None:
        """Tell that no fixture matched, and why.

        Raises:
            NoFixtureMatch: there is nothing else to answer with.
        """
        nothing_else = self._settings.reply == "none"
        if decision.facts is None and not nothing_else:
            return
        nearest = self._decisions.why(decision.facts)
        told = f" Nearest: {', '.join(nearest)}." if nearest else " There are none."
        if nothing_else:
            log.warning("No fixture answers a request.%s", told)
            raise NoFixtureMatch(f"No fixture answers this request.{told}")
        log.info("No fixture answers a request, MOCK_REPLY does.%s", told)
