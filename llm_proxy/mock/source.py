"""The source of the mock's replies: what it says, which tools it calls, and how fast."""

from llm_proxy.mock.calls import chosen_tools, tool_calls
from llm_proxy.mock.canned import canned_reply
from llm_proxy.mock.chance import number_of
from llm_proxy.mock.examples import example_text
from llm_proxy.mock.pacing import paced
from llm_proxy.mock.profiles import pace
from llm_proxy.reply import ChatRequest, Events, spoken
from llm_proxy.settings import MockSettings


class MockSource:
    """Answers every request, the same way each time."""

    def __init__(self, settings: MockSettings) -> None:
        self._settings = settings

    def reply(self, request: ChatRequest) -> Events:
        """The words or tool calls of each choice, then its finish; never fails."""
        number = number_of(request, self._settings.seed)
        events = self._choices(request, number)
        speed = pace(self._settings, request.model)
        return paced(events, speed, number) if speed else events

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
