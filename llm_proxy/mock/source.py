"""The source of the mock's replies: canned or echoed, and paced if asked for."""

from llm_proxy.mock.canned import canned_reply
from llm_proxy.mock.chance import number_of
from llm_proxy.mock.pacing import Pace, paced
from llm_proxy.reply import ChatRequest, Events, spoken
from llm_proxy.settings import MockSettings


class MockSource:
    """Answers every request, the same way each time."""

    def __init__(self, settings: MockSettings) -> None:
        self._settings = settings
        self._pace = Pace(
            ttft_seconds=settings.ttft_ms / 1000,
            tokens_per_second=settings.tokens_per_second,
            jitter=settings.jitter,
        )

    def reply(self, request: ChatRequest) -> Events:
        """The words of the reply, then `stop`; never fails."""
        number = number_of(request, self._settings.seed)
        echo = self._settings.reply == "echo"
        events = spoken(request.last_user_text() if echo else canned_reply(number))
        return paced(events, self._pace, number) if self._pace else events
