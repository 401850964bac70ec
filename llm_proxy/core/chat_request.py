"""What is asked: a request as a surface understood it, the same for all of them.

Knows neither JSON nor HTTP.
"""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
Endpoint = Literal["chat", "completions", "responses"]


class ToolCall(Struct, frozen=True):
    """A finished call of a tool; `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(Struct, frozen=True, kw_only=True):
    """One message of the conversation, the same for every surface.

    `text` joins the text parts with newlines; `attachments` counts the parts that are not
    text (images, audio, files). `tokens` counts what was sent as numbers, whose text is not
    known.
    """

    role: Role
    text: str = ""
    attachments: int = 0
    tokens: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Tool(Struct, frozen=True, kw_only=True):
    """A tool that may be called, as the surface understood it.

    `parameters` is the JSON Schema of its arguments. A `custom` tool takes free text instead, which
    matches its `pattern`, if it has one. `definition` is what was sent.
    """

    name: str
    definition: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    custom: bool = False
    pattern: str | None = None


class ToolChoice(Struct, frozen=True):
    """Whether a tool must, may or must not be called, and which (none named: any of them)."""

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()


class ChatRequest(Struct, frozen=True, kw_only=True):
    """What a surface understood of a request.

    `schema` is the JSON Schema that the text of the answer must satisfy, as JSON; empty for
    any JSON object. `previous` is the id of a stored reply that this request goes on from,
    and `previous_origin` the source that made up this id, empty where that was the shell; so many
    messages as `resumed` tells are of that, behind instructions of its own.
    `references` are the ids of stored items that stand for these among its own.
    `max_tokens` bounds each choice. `top_logprobs` is the number of
    alternatives wanted beside the log probability of each token, if that is wanted at all.
    `part` counts the prompts of one HTTP request, each of which is asked alone. `document` is
    the request as sent; `unknown` are its top-level fields that the surface does not know,
    kept so that they can be reported. `headers` are those of the HTTP request, their names in
    lower case.
    """

    model: str
    messages: tuple[Message, ...]
    endpoint: Endpoint = "chat"
    stream: bool = False
    include_usage: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    schema: Mapping[str, Any] | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    store: bool = False
    previous: str | None = None
    previous_origin: str = ""
    resumed: int = 0
    references: tuple[str, ...] = ()
    part: int = 0
    document: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def last_user_text(self) -> str:
        """Text of the last message with role `user`, or an empty string if there is none."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.text
        return ""
