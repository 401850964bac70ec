"""Token counting: what a request and its reply weigh.

Knows nothing of HTTP or JSON APIs, and leaves it to a tokenizer what a token is.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing

import msgspec

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import (
    Events,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TextRun,
    ToolCallDelta,
    Usage,
)
from llm_proxy.core.tokenizers import Tokenizer
from llm_proxy.errors import InternalError

TOKENS_PER_ATTACHMENT = 85
"""An image, sound or file counts as OpenAI bills an image at low detail."""


def count_prompt(request: ChatRequest, tokenizer: Tokenizer) -> int:
    """Tokens of everything that was asked: each message's text, its tool calls, the tools."""
    messages = request.messages
    count = tokenizer.count(list(_texts(request)))
    count += sum(m.tokens + m.attachments * TOKENS_PER_ATTACHMENT for m in messages)
    if request.endpoint == "completions":
        return count
    return count + len(messages) * tokenizer.per_message + tokenizer.per_request


def _texts(request: ChatRequest) -> Iterator[str]:
    for message in request.messages:
        yield message.text
        for call in message.tool_calls:
            yield call.name
            yield call.arguments
    if request.tools:
        yield msgspec.json.encode([tool.definition for tool in request.tools]).decode()


def metered(events: Events, prompt_tokens: int, tokenizer: Tokenizer) -> Events:
    """Pass the events on, and put the tokens counted so far on each `Finish` without usage.

    Raises:
        InternalError: the source ended without saying that it had finished.
    """
    said: defaultdict[int, list[str]] = defaultdict(list)
    thought: defaultdict[int, list[str]] = defaultdict(list)
    total = Usage(prompt_tokens, 0)
    finished = False
    with closing(events):
        for event in events:
            match event:
                case TextDelta() | RefusalDelta():
                    said[event.choice].append(event.text)
                case TextRun():
                    said[event.choice].append("".join(event.pieces))
                case ReasoningDelta():
                    thought[event.choice].append(event.text)
                case ToolCallDelta():
                    said[event.choice] += (event.name or "", event.arguments)
                case Finish(reason, None, choice):
                    finished = True
                    # Each choice is counted once, when it is over: with many of them a sum
                    # over all at each end would take long.
                    reasoning = tokenizer.count(["".join(thought.pop(choice, ()))])
                    completion = tokenizer.count(["".join(said.pop(choice, ()))])
                    total = Usage(
                        prompt_tokens,
                        total.completion_tokens + reasoning + completion,
                        total.reasoning_tokens + reasoning,
                    )
                    event = Finish(reason, total, choice)
                case Finish():
                    finished = True
            yield event
    if not finished:
        raise InternalError("The reply ended without a finish reason.")
