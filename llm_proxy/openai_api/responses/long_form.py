"""The input of a stored response in its long form, as its items are listed and referred to.

Source of the shapes: API reference, "Responses", "List input items".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from llm_proxy.openai_api.responses.input import typed
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


def input_items(stored: Stored) -> Iterator[dict[str, Any]]:
    """The input in its long form: every item with an id and a status, every text in a part."""
    sent = stored.request.document.get("input") or ()
    items = [{"role": "user", "content": sent}] if isinstance(sent, str) else sent
    name = stored.id.removeprefix("resp_")
    for number, item in enumerate(map(typed, items)):
        kind = item["type"]
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
