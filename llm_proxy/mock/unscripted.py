"""Unscripted replies: what the mock says where no fixture does."""

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import Events, spoken
from llm_proxy.mock.calls import chosen_tools, tool_calls
from llm_proxy.mock.canned import canned_reply
from llm_proxy.mock.examples import example_text


def unscripted(request: ChatRequest, number: int, *, echo: bool) -> Events:
    """The tool calls or the words of each choice, chosen by `number`.

    With `echo` the words are those of the last user message.
    """
    tools = chosen_tools(request)
    for choice in range(request.n):
        if tools:
            yield from tool_calls(tools, number + choice * len(tools), choice)
        else:
            yield from spoken(_text(request, number + choice, echo), choice)


def _text(request: ChatRequest, number: int, echo: bool) -> str:
    if request.schema is not None:
        return example_text(request.schema, number)
    return request.last_user_text() if echo else canned_reply(number)
