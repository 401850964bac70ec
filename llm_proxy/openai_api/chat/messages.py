"""The messages of a chat completion request: their JSON shapes, and the nouns they become.

Source of the shapes: API reference, "Create chat completion", `messages`.
"""

from typing import Any, cast

from msgspec import Struct

from llm_proxy.core.chat_request import Message, Role, ToolCall

SUPPORTED = {
    "messages.role": "'system', 'developer', 'user', 'assistant', 'tool', and 'function'",
    "messages.content.type": "'text', 'refusal', 'image_url', 'input_audio', and 'file'",
    "messages.tool_calls.type": "'function' and 'custom'",
}
"""Allowed values by the path of the field, as an error message lists them."""


class TextPart(Struct, tag_field="type", tag="text"):
    text: str


class RefusalPart(Struct, tag_field="type", tag="refusal"):
    refusal: str


class ImagePart(Struct, tag_field="type", tag="image_url"):
    image_url: dict[str, Any]


class AudioInputPart(Struct, tag_field="type", tag="input_audio"):
    input_audio: dict[str, Any]


class FilePart(Struct, tag_field="type", tag="file"):
    file: dict[str, Any]


Content = str | list[TextPart | RefusalPart | ImagePart | AudioInputPart | FilePart]


class FunctionCall(Struct):
    name: str
    arguments: str = ""


class CustomCall(Struct):
    name: str
    input: str = ""


class FunctionToolCall(Struct, tag_field="type", tag="function"):
    function: FunctionCall
    id: str = ""


class CustomToolCall(Struct, tag_field="type", tag="custom"):
    custom: CustomCall
    id: str = ""


class _PlainMessage(Struct, tag_field="role"):
    content: Content
    name: str | None = None


class SystemMessage(_PlainMessage, tag="system"):
    pass


class DeveloperMessage(_PlainMessage, tag="developer"):
    pass


class UserMessage(_PlainMessage, tag="user"):
    pass


class AssistantMessage(Struct, tag_field="role", tag="assistant"):
    content: Content | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[FunctionToolCall | CustomToolCall] | None = None
    function_call: FunctionCall | None = None


class ToolMessage(Struct, tag_field="role", tag="tool"):
    content: Content
    tool_call_id: str


class FunctionMessage(Struct, tag_field="role", tag="function"):
    content: Content | None
    name: str


WireMessage = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)


def message(wire: WireMessage) -> Message:
    """The noun for one decoded message."""
    text, attachments = _content(wire.content)
    role = cast(Role, wire.__struct_config__.tag)
    if isinstance(wire, AssistantMessage):
        text = "\n".join(filter(None, (text, wire.refusal)))
        calls = _calls(wire)
        return Message(role=role, text=text, attachments=attachments, tool_calls=calls)
    if isinstance(wire, ToolMessage):
        call_id = wire.tool_call_id
        return Message(role=role, text=text, attachments=attachments, tool_call_id=call_id)
    return Message(role=role, text=text, attachments=attachments)


def _content(content: Content | None) -> tuple[str, int]:
    """The text parts joined by newlines, and the number of other parts."""
    if content is None or isinstance(content, str):
        return content or "", 0
    texts = [part.text for part in content if isinstance(part, TextPart)]
    texts += [part.refusal for part in content if isinstance(part, RefusalPart)]
    return "\n".join(texts), len(content) - len(texts)


def _calls(wire: AssistantMessage) -> tuple[ToolCall, ...]:
    calls = [
        ToolCall(call.id, call.function.name, call.function.arguments)
        if isinstance(call, FunctionToolCall)
        else ToolCall(call.id, call.custom.name, call.custom.input)
        for call in wire.tool_calls or ()
    ]
    if wire.function_call is not None:
        calls.append(ToolCall("", wire.function_call.name, wire.function_call.arguments))
    return tuple(calls)
