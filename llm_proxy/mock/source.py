"""The source of the mock's replies: what it says, which tools it calls, and how fast."""

from llm_proxy.latest import Latest
from llm_proxy.mock.calls import chosen_tools, tool_calls
from llm_proxy.mock.canned import canned_reply
from llm_proxy.mock.chance import number_of
from llm_proxy.mock.examples import example_text
from llm_proxy.mock.pacing import pace_of, paced
from llm_proxy.namespaces import namespace_of
from llm_proxy.reply import ChatRequest, Events, spoken
from llm_proxy.settings import MockSettings
from llm_proxy.state import State


class MockSource:
    """Answers every request, the same way each time."""

    def __init__(self, settings: MockSettings, state: State) -> None:
        self._settings = settings
        self._pace = pace_of({}, settings)
        self._set = Latest(state, "pacing", lambda set_: pace_of(set_.document, settings))

    def reply(self, request: ChatRequest) -> Events:
        """The words or tool calls of each choice, then its finish; never fails."""
        number = number_of(request, self._settings.seed)
        events = self._choices(request, number)
        pace = self._set.holding(namespace_of(request.headers))
        if pace is None:
            pace = self._pace
        return paced(events, pace, number) if pace else events

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
