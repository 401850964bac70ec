"""The conversation so far: every call of a tool has its answer, every answer its call.

Knows chats, and the items of the Responses API.
"""

from collections.abc import Collection

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.openai_api.responses.conversation import earlier
from llm_proxy.openai_api.responses.items import custom_names
from llm_proxy.openai_api.strict.bounds import Objections, array, mapping, named, not_empty, refused

_CALLS = {"function_call": "function call", "custom_tool_call": "custom tool call"}
_OUTPUTS = {f"{kind}_output": f"{name} output" for kind, name in _CALLS.items()}


def names_called(request: ChatRequest) -> Objections:
    """The tools called in a chat have names that tools can have."""
    for index, message in enumerate(array(request.document.get("messages"))):
        calls = mapping(message).get("tool_calls")
        param = f"messages[{index}].tool_calls"
        yield from not_empty(param, "array", calls)
        for place, call in enumerate(array(calls)):
            function = mapping(mapping(call).get("function"))
            yield from named(f"{param}[{place}].function.name", function.get("name"))


def answers(request: ChatRequest) -> Objections:
    """Calls are answered, once each: in a chat at once, in a response somewhere behind."""
    match request.endpoint:
        case "chat":
            return _answers_in_chat(request)
        case "responses":
            return _answers_in_items(request)
        case _:
            return iter(())


def _answers_in_chat(request: ChatRequest) -> Objections:
    called: list[str] = []
    answered: dict[str, int] = {}
    for index, message in enumerate(request.messages):
        call_id = message.tool_call_id
        if message.role != "tool" or call_id is None:
            yield from _unanswered(called, answered, f"messages.[{index}].role")
            # The older form of a call has no id, and needs no answer.
            called, answered = [call.id for call in message.tool_calls if call.id], {}
        elif call_id not in called:
            yield refused(
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding "
                "message with 'tool_calls'.",
                f"messages.[{index}].role",
            )
        elif call_id in answered:
            yield refused(
                f"Invalid parameter: Duplicate value for 'tool_call_id' of '{call_id}', in "
                f"messages[{answered[call_id]}] and messages[{index}].",
                f"messages.[{index}].tool_call_id",
            )
        else:
            answered[call_id] = index
    yield from _unanswered(called, answered, "messages")


def _unanswered(called: Collection[str], answered: Collection[str], param: str) -> Objections:
    missing = [call_id for call_id in called if call_id not in answered]
    if missing:
        yield refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(missing)}",
            param,
        )


def _answers_in_items(request: ChatRequest) -> Objections:
    items = [mapping(item) for item in array(request.document.get("input"))]
    before = earlier(request)
    # Items may answer calls that OpenAI holds, or that nobody has looked up.
    if any(request.document.get(name) for name in ("conversation", "prompt")):
        return
    if request.document.get("previous_response_id") and not before:
        return
    if any(item.get("type") in (None, "item_reference") and "id" in item for item in items):
        return
    custom = custom_names(request)
    calls = [call for message in before for call in message.tool_calls]
    called = {call.id for call in calls}
    answered = {message.tool_call_id for message in before}
    waiting = {
        call.id: _CALLS["custom_tool_call" if call.name in custom else "function_call"]
        for call in calls
        if call.id not in answered
    }
    for item in items:
        kind, call_id = item.get("type"), item.get("call_id")
        if not isinstance(kind, str) or not isinstance(call_id, str):
            continue
        if kind in _CALLS:
            called.add(call_id)
            waiting[call_id] = _CALLS[kind]
        elif kind in _OUTPUTS:
            if call_id not in called:
                yield refused(
                    f"No tool call found for {_OUTPUTS[kind]} with call_id {call_id}.", "input"
                )
            waiting.pop(call_id, None)
    for call_id, name in waiting.items():
        yield refused(f"No tool output found for {name} {call_id}.", "input")
