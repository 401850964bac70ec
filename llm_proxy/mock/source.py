"""The source of the mock's replies: what it says, which tools it calls, and how fast."""

from llm_proxy.latest import Latest
from llm_proxy.mock.calls import chosen_tools, tool_calls
from llm_proxy.mock.canned import canned_reply
from llm_proxy.mock.chance import number_of
from llm_proxy.mock.examples import example_text
from llm_proxy.mock.faults.precedence import Faults
from llm_proxy.mock.faults.wrapper import troubled
from llm_proxy.mock.pacing import paced
from llm_proxy.mock.profiles import pace
from llm_proxy.namespaces import namespace_of
from llm_proxy.reply import ChatRequest, Events, Source, spoken
from llm_proxy.settings import MockSettings
from llm_proxy.state import State


class MockSource:
    """Answers every request, the same way each time, but for the faults that are asked for."""

    def __init__(
        self,
        settings: MockSettings,
        state: State,
        faults: Faults,
        recorder: Source | None = None,
    ) -> None:
        self._faults = faults
        self._recorder = recorder
        self._settings = settings
        self._pacing = Latest(state, "pacing", lambda scripted: scripted.document)

    def reply(self, request: ChatRequest) -> Events:
        """The words or tool calls of each choice, then its finish.

        Of several prompts only the first one is asked what is to go wrong, as it goes wrong
        with the answer to all of them.

        Raises:
            ScriptedError: as somebody asked for.
            InvalidRequest: somebody asked for it in a wrong way.
        """
        number = number_of(request, self._settings.seed)
        events = self._recorder.reply(request) if self._recorder else self._choices(request, number)
        asked = self._pacing.holding(namespace_of(request.headers)) or {}
        if speed := pace(self._settings, request.model, asked):
            events = paced(events, speed, number)
        if request.part:
            return events
        trouble = self._faults.trouble(request.headers, stream=request.stream)
        return troubled(events, trouble, [tool.name for tool in request.tools])

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
