"""The stream of a reply in the Responses API: a response begins, has output, and ends.

Source of the order of events: API reference, "Streaming events".
"""

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import (
    Annotations,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Said,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from llm_proxy.errors import ProxyError
from llm_proxy.openai_api.responses.events import Numbered
from llm_proxy.openai_api.responses.object import failed, finished, under_way
from llm_proxy.openai_api.responses.output import Output
from llm_proxy.openai_api.surface import Encoder, Stamp


class ResponsesEncoder(Encoder):
    """Writes a reply down as the events of a response.

    The last event comes with `end` only, so that the response is stored before the client
    knows that it is complete.
    """

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        self._request, self._stamp = request, stamp
        self._events = Numbered()
        self._output = Output(request, stamp, self._events)
        self._citations: tuple[str, ...] = ()
        self._finish = Finish()

    def encode(self, event: Said) -> bytes:
        begun = b"" if self._events.number else self._opening()
        match event:
            case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text):
                return begun + self._output.say(type(event), text)
            case ToolCallDelta():
                return begun + self._output.call(event)
            case Annotations(citations):
                self._citations = citations
                return begun
            case Finish(reason):
                self._finish = event
                return begun + self._output.end(reason)

    def fail(self, error: ProxyError) -> bytes:
        """Tell of the error twice: clients look for either event.

        The fields of `error` stand in it as the API reference has them, and in an `error` of
        its own as the API sends them: the SDKs raise only where they find that.
        """
        shape = {"code": error.code, "message": error.message, "param": error.param}
        nested = {"type": error.type, **shape}
        response = failed(error.message, error.status, self._request, self._stamp)
        told = self._events.event("error", **shape, error=nested)
        return told + self._events.event("response.failed", response=response)

    def end(self) -> bytes:
        reason, usage = self._finish.reason, self._finish.usage or Usage(0, 0)
        response = finished(
            self._output.items, reason, usage, self._citations, self._request, self._stamp
        )
        return self._events.event(f"response.{response['status']}", response=response)

    def _opening(self) -> bytes:
        response = under_way(self._request, self._stamp)
        created = self._events.event("response.created", response=response)
        return created + self._events.event("response.in_progress", response=response)
