"""Stored responses: `/responses/{id}` and what belongs to it, and the table of these routes.

Source of the shapes: API reference, "Responses": get, delete, cancel, list input items.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.pages import page
from llm_proxy.openai_api.resource import Answer, Call, Resource, answer
from llm_proxy.openai_api.responses.input import typed
from llm_proxy.openai_api.responses.tokens import input_tokens
from llm_proxy.store import Stored

_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}
_DEFAULTS: Mapping[str, dict[str, Any]] = {
    "input_image": {"detail": "auto"},
    "output_text": {"annotations": [], "logprobs": []},
}


def shown(call: Call) -> Answer:
    """One stored response."""
    return answer(_stored(call).document)


def deleted(call: Call) -> Answer:
    """The news that a stored response is no more."""
    stored = _stored(call)
    call.store.delete("responses", stored.id)
    return answer({"id": stored.id, "object": "response", "deleted": True})


def cancelled(call: Call) -> Answer:
    """Nothing: what is stored has ended, and what is under way is not stored."""
    _stored(call)
    raise InvalidRequest("Cannot cancel a completed response.")


def input_items(call: Call) -> Answer:
    """The items that a stored response was asked with, the last one first."""
    return Answer(body=page(list(_items(_stored(call))), call.query, order="desc"))


RESOURCES: Sequence[Resource] = (
    Resource("GET", "/responses/<id>", shown),
    Resource("DELETE", "/responses/<id>", deleted),
    Resource("POST", "/responses/<id>/cancel", cancelled),
    Resource("GET", "/responses/<id>/input_items", input_items),
    Resource("POST", "/responses/input_tokens", input_tokens),
)


def _stored(call: Call) -> Stored:
    return call.stored("responses", f"Response with id '{call.names['id']}' not found.")


def _items(stored: Stored) -> Iterator[dict[str, Any]]:
    """The input in its long form: every item with an id and a status, every text in a part."""
    sent = stored.request.document.get("input") or ()
    items = [{"role": "user", "content": sent}] if isinstance(sent, str) else sent
    name = stored.id.removeprefix("resp_")
    for number, item in enumerate(map(typed, items)):
        kind = item["type"]
        if kind == "item_reference":
            continue
        known = {field: value for field, value in item.items() if value is not None}
        prefix = _PREFIXES.get(kind, "item")
        shown = {"id": f"{prefix}_{name}i{number}", "status": "completed", **known}
        if kind == "message" and isinstance(shown["content"], str):
            said = "output_text" if shown["role"] == "assistant" else "input_text"
            shown["content"] = [{"type": said, "text": shown["content"]}]
        for field in ("content", "output"):
            if isinstance(shown.get(field), list):
                shown[field] = [
                    _DEFAULTS.get(str(one.get("type")), {}) | one if isinstance(one, dict) else one
                    for one in shown[field]
                ]
        yield shown
