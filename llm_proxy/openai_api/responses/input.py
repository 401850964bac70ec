"""The input of a Responses request: the JSON shapes of its items, and the nouns they become.

Source of the shapes: API reference, "Create a model response", `input`.
"""

import functools
import operator
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llm_proxy.core.chat_request import Message, ToolCall
from llm_proxy.openai_api.decoding import refuse
from llm_proxy.openai_api.responses.hosted import ITEMS, Hosted, hosted, listing

_PARTS = listing(
    "input_text",
    "input_image",
    "output_text",
    "refusal",
    "input_file",
    "input_audio",
    "computer_screenshot",
    "summary_text",
)
SUPPORTED = {
    "input.type": listing(
        "message",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "item_reference",
        *ITEMS,
    ),
    "input.role": "'assistant', 'system', 'developer', and 'user'",
    "input.content.type": _PARTS,
    "input.output.type": _PARTS,
}
"""Allowed values by the path of the field, as an error message lists them."""


class InputText(Struct, tag_field="type", tag="input_text"):
    text: str


class OutputText(Struct, tag_field="type", tag="output_text"):
    text: str


class SummaryText(Struct, tag_field="type", tag="summary_text"):
    text: str


class Refusal(Struct, tag_field="type", tag="refusal"):
    refusal: str


class InputImage(Struct, tag_field="type", tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class InputFile(Struct, tag_field="type", tag="input_file"):
    file_id: str | None = None
    filename: str | None = None
    file_data: str | None = None
    file_url: str | None = None


class InputAudio(Struct, tag_field="type", tag="input_audio"):
    input_audio: dict[str, Any]


class ComputerScreenshot(Struct, tag_field="type", tag="computer_screenshot"):
    image_url: str | None = None
    file_id: str | None = None


Part = (
    InputText
    | OutputText
    | SummaryText
    | Refusal
    | InputImage
    | InputFile
    | InputAudio
    | ComputerScreenshot
)


class MessageItem(Struct, tag_field="type", tag="message"):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]


class FunctionCall(Struct, tag_field="type", tag="function_call"):
    call_id: str
    name: str
    arguments: str


class CustomCall(Struct, tag_field="type", tag="custom_tool_call"):
    call_id: str
    name: str
    input: str


class FunctionOutput(Struct, tag_field="type", tag="function_call_output"):
    output: str | list[Part]
    call_id: str | None = None


class CustomOutput(Struct, tag_field="type", tag="custom_tool_call_output"):
    output: str | list[Part]
    call_id: str


class ItemReference(Struct, tag_field="type", tag="item_reference"):
    """An item that is stored; `references` puts it here before anything is made of it."""

    id: str


_Ours = MessageItem | FunctionCall | CustomCall | FunctionOutput | CustomOutput | ItemReference

if TYPE_CHECKING:
    Item = _Ours | Hosted
else:
    Item = functools.reduce(operator.or_, hosted(ITEMS), _Ours)


class _Input(Struct):
    input: list[Item]


def messages(sent: str | Iterable[Any]) -> tuple[Message, ...]:
    """The nouns for the input of a request.

    The calls that the model made at one point are one message, with the text before them.

    Raises:
        InvalidRequest: an item is not what the API takes; `param` names the field.
    """
    if isinstance(sent, str):
        return (Message(role="user", text=sent),) if sent else ()
    try:
        items = msgspec.convert({"input": [typed(item) for item in sent]}, _Input).input
    except msgspec.ValidationError as error:
        refuse(str(error), SUPPORTED)
    found: list[Message] = []
    for item in items:
        match item:
            case MessageItem(role, content):
                text, attachments = _content(content)
                found.append(Message(role=role, text=text, attachments=attachments))
            case FunctionCall(call_id, name, arguments) | CustomCall(call_id, name, arguments):
                if not found or found[-1].role != "assistant":
                    found.append(Message(role="assistant"))
                calls = (*found[-1].tool_calls, ToolCall(call_id, name, arguments))
                found[-1] = replace(found[-1], tool_calls=calls)
            case FunctionOutput(output, call_id) | CustomOutput(output, call_id):
                text, attachments = _content(output)
                found.append(
                    Message(role="tool", text=text, attachments=attachments, tool_call_id=call_id)
                )
    return tuple(found)


def typed(item: Any) -> Any:
    """An item with its type: messages and references to items may come without."""
    if not isinstance(item, Mapping) or item.get("type") is not None:
        return item
    named = "item_reference" if "id" in item and "role" not in item else "message"
    return {**item, "type": named}


def _content(content: str | list[Part]) -> tuple[str, int]:
    """The text parts joined by newlines, and the number of other parts."""
    if isinstance(content, str):
        return content, 0
    texts = []
    for part in content:
        match part:
            case InputText(text) | OutputText(text) | SummaryText(text) | Refusal(text):
                texts.append(text)
    return "\n".join(texts), len(content) - len(texts)
