"""A conversation as the input of a Responses request: the counterpart of `input`.

Source of the shapes: API reference, "Create a model response", `input`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from llm_proxy.core.chat_request import ChatRequest, Message
from llm_proxy.openai_api.responses.items import custom_names


def instructed(request: ChatRequest) -> int:
    """How many messages at the beginning are instructions."""
    return 1 if request.document.get("instructions") else 0


def earlier(request: ChatRequest) -> Sequence[Message]:
    """The messages of a resumed request that are not its own, from the first to the last."""
    own = instructed(request)
    return request.messages[own : own + request.resumed]


def whole_input(request: ChatRequest) -> list[Any]:
    """What a resumed request would have sent, had it sent all that was said before.

    Its own items are left as they were sent; of others the text and the calls are known.
    """
    own = request.document.get("input") or []
    own_items = [{"role": "user", "content": own}] if isinstance(own, str) else own
    return [*_items(earlier(request), custom_names(request)), *own_items]


def _items(said: Sequence[Message], custom: frozenset[str]) -> Iterator[dict[str, Any]]:
    custom_calls: set[str] = set()
    for message in said:
        if message.role in ("tool", "function"):
            kind = "custom_tool_call" if message.tool_call_id in custom_calls else "function_call"
            item = {"type": f"{kind}_output", "output": message.text}
            yield item | ({"call_id": message.tool_call_id} if message.tool_call_id else {})
            continue
        if message.text or not message.tool_calls:
            yield {"role": message.role, "content": message.text}
        for call in message.tool_calls:
            item = {"type": "function_call", "call_id": call.id, "name": call.name}
            if call.name in custom:
                custom_calls.add(call.id)
                yield item | {"type": "custom_tool_call", "input": call.arguments}
            else:
                yield item | {"arguments": call.arguments}
