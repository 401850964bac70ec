"""Token counting: what a request and its reply weigh.

The count is an estimate from the length of the text, the rule of thumb in OpenAI's own
guide: one token is about four characters of English. Knows nothing of HTTP or JSON APIs.
"""

from contextlib import closing

import msgspec

from llm_proxy.errors import InternalError
from llm_proxy.reply import (
    ChatRequest,
    Events,
    Finish,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_ATTACHMENT = 85
"""An image, sound or file counts as OpenAI bills an image at low detail."""


def tokens_of_length(characters: int) -> int:
    """Tokens of a text with so many characters, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def count_prompt(request: ChatRequest) -> int:
    """Tokens of everything that was asked: each message's text, its tool calls, the tools.

    The lengths are added up before they are divided, so that many short messages do not
    weigh more than one long one.
    """
    characters = attachments = 0
    for message in request.messages:
        characters += len(message.text)
        attachments += message.attachments
        for call in message.tool_calls:
            characters += len(call.name) + len(call.arguments)
    if request.tools:
        characters += len(msgspec.json.encode(request.tools).decode())
    return tokens_of_length(characters) + attachments * TOKENS_PER_ATTACHMENT


def metered(events: Events, request: ChatRequest) -> Events:
    """Pass the events on, and put the tokens counted so far on each `Finish` without usage.

    Raises:
        InternalError: the source ended without saying that it had finished.
    """
    characters, finished = 0, False
    with closing(events):
        for event in events:
            match event:
                case TextDelta(text) | ReasoningDelta(text):
                    characters += len(text)
                case ToolCallDelta():
                    characters += len(event.name or "") + len(event.arguments)
                case Finish(reason, usage, choice):
                    finished = True
                    counted = Usage(count_prompt(request), tokens_of_length(characters))
                    event = Finish(reason, usage or counted, choice)
            yield event
    if not finished:
        raise InternalError("The reply ended without a finish reason.")
