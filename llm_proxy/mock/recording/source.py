"""The source that asks a real API: its answer is passed on as it comes, and kept."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from msgspec.structs import replace

from llm_proxy.core.chat_request import ChatRequest, Endpoint
from llm_proxy.core.reply import IDLE, Events, Finish, Stamped
from llm_proxy.errors import InvalidRequest, PassedOn
from llm_proxy.mock.fixtures.fingerprint import fingerprint
from llm_proxy.mock.recording.answer import Heard, heard
from llm_proxy.mock.recording.fixture import masking, reply_fixture
from llm_proxy.mock.recording.matching import SCOPES, asked_text, has_text
from llm_proxy.mock.recording.shelf import Shelf, name_of
from llm_proxy.mock.recording.upstream import Upstream
from llm_proxy.namespaces import bearer_key
from llm_proxy.openai_api.chat.decode import ChatDecoder
from llm_proxy.openai_api.completions_decode import CompletionDecoder
from llm_proxy.openai_api.decoder import Decoder
from llm_proxy.openai_api.responses.conversation import earlier, whole_input
from llm_proxy.openai_api.responses.decode import ResponsesDecoder

ORIGIN = "recorded"

_ASKED: Mapping[Endpoint, tuple[str, type[Decoder]]] = {
    "chat": ("chat/completions", ChatDecoder),
    "completions": ("completions", CompletionDecoder),
    "responses": ("responses", ResponsesDecoder),
}
"""Where each surface is asked below the base URL, and who reads its answers."""


class RecordingSource:
    """Asks the API that MOCK_RECORD names, and puts what it answered on a shelf."""

    def __init__(self, upstream: Upstream, shelf: Shelf) -> None:
        self._upstream = upstream
        self._shelf = shelf

    def reply(self, request: ChatRequest) -> Events:
        """The events of the API's reply, each as it arrives.

        A reply that came to its end is recorded; one that is an error, that broke off or
        that the client did not wait for is not.

        Raises:
            InvalidRequest: the request cannot be asked again.
            PassedOn: the API answered with an error.
            UpstreamError: the API failed, before or amid its answer.
        """
        path, decoder = _ASKED[request.endpoint]
        sent = _document(request)
        masked = masking(self._upstream.secrets(bearer_key(request.headers)))
        reply: list[Heard] = []
        ends: list[Finish] = []
        arrivals = self._upstream.ask(path, sent, request.headers, stream=request.stream)
        try:
            with closing(heard(arrivals, decoder())) as said:
                for one in said:
                    if one is None:
                        yield IDLE
                        continue
                    reply.append(one)
                    event = one.event
                    if isinstance(event, Stamped):
                        event = replace(event, origin=ORIGIN, verbatim=True)
                    if isinstance(event, Finish):
                        ends.append(event)
                    else:
                        yield event
        except PassedOn as error:
            error.message = masking([self._upstream.key])(error.message)
            raise
        if has_text(request):  # else nothing could be matched
            scope = [request.headers.get(header, "") for header in SCOPES.values()]
            name = name_of(masked(asked_text(request)), sent, scope)
            fixture = reply_fixture(request, reply, masked)
            fixture["match"]["fingerprint"] = fingerprint(request)
            self._shelf.put(name, fixture)
        yield from ends  # a client that has the whole answer may ask again at once


def _document(request: ChatRequest) -> dict[str, Any]:
    """What the API is asked: what the client sent, with four things changed.

    The usage is wanted of every stream, whoever else gets to see it. Of several prompts one is
    asked at a time. The prompt is not to be repeated, as that is done on the way out. A
    reply that only we know cannot be gone on from there, so all that was said is sent.

    Raises:
        InvalidRequest: one of several prompts is in tokens, and it is not known which; or
            what was said before was not all text.
    """
    sent = {name: value for name, value in request.document.items() if name != "echo"}
    if request.stream and request.endpoint != "responses":
        options = sent.get("stream_options") or {}
        sent["stream_options"] = {**options, "include_usage": True}
    if request.previous is not None and request.previous_origin != ORIGIN:
        del sent["previous_response_id"]
        if any(message.attachments for message in earlier(request)):
            raise InvalidRequest(
                "The API that MOCK_RECORD names does not know the reply that "
                "'previous_response_id' names, and attachments that were sent before it are not "
                "kept here; send the whole conversation as 'input'.",
                param="previous_response_id",
            )
        sent["input"] = whole_input(request)
    prompt = sent.get("prompt")
    if isinstance(prompt, list) and len(prompt) > 1 and not isinstance(prompt[0], int):
        if request.messages[0].tokens:
            raise InvalidRequest(
                "Several prompts in tokens cannot be passed on to the API that MOCK_RECORD names; "
                "ask them one by one.",
                param="prompt",
            )
        sent["prompt"] = request.messages[0].text
    return sent
