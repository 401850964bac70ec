"""The conversation in a request, whichever surface it was sent to.

Takes what is there: a request that was refused may have any form, and is shown all the same.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from llm_proxy.inspector.passages import Passage, passages

SHORT = 60
"""Characters of JSON that stand on one line."""

PartKind = Literal["text", "image", "call", "result", "data"]

IMAGE_URL = re.compile(r"data:image/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/=\s]+")
"""Of a picture that may be shown: it is in the request, and cannot hold a script."""

_SPOKEN = ("messages", "input", "prompt", "suffix", "instructions", "query", "documents")
"""The fields that hold what is said; all others are parameters."""

_TEXTS = ("text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something in a turn; `label` names it.

    `text`: the `passages` of a text. `image`: `source` is its URL where it may be shown, else
    empty, and `text` tells what it is. `call`: of the tool `label`, `text` are its arguments.
    `result`: of the call `label`. `data`: JSON of any other kind.
    """

    kind: PartKind
    text: str = ""
    label: str = ""
    source: str = ""
    passages: Sequence[Passage] = ()


@dataclass(frozen=True)
class Turn:
    """What one of those who talk said at once."""

    role: str
    parts: Sequence[Part]
    name: str = ""

    @property
    def characters(self) -> int:
        """Of all its texts."""
        return sum(len(part.text) for part in self.parts)

    @property
    def opening(self) -> str:
        """The beginning of its first text, on one line."""
        return " ".join(next((part.text for part in self.parts), "")[:200].split())


def conversation(document: Any) -> list[Turn]:
    """The turns of a request, the oldest first."""
    if not isinstance(document, Mapping):
        return []
    return [turn for turn in _turns(document) if turn.parts]


def parameters(document: Any) -> dict[str, str]:
    """All else that a request says, but for its tools: names and values as JSON."""
    if not isinstance(document, Mapping):
        return {}
    left_out = (*_SPOKEN, "tools", "functions")
    return {
        str(name): shown(value) for name, value in document.items() if str(name) not in left_out
    }


def tools(document: Any) -> list[tuple[str, str, str]]:
    """The tools that may be called: name, description and definition of each."""
    if not isinstance(document, Mapping):
        return []
    found = []
    for one in (*_list(document.get("tools")), *_list(document.get("functions"))):
        tool = one if isinstance(one, Mapping) else {}
        function = tool.get("function")
        inner = function if isinstance(function, Mapping) else tool
        name = inner.get("name") or tool.get("type") or "a tool without a name"
        found.append((str(name), str(inner.get("description") or ""), shown(one)))
    return found


def shown(value: Any) -> str:
    """A value as JSON, in lines where it is long; a text as it is."""
    if isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHORT else json.dumps(value, ensure_ascii=False, indent=2)


def text_part(text: str) -> Part:
    return Part(kind="text", text=text, passages=passages(text))


def call_part(name: object, arguments: object) -> Part:
    """A call of a tool, its arguments set in lines if they are JSON."""
    text = str(arguments or "")
    with suppress(ValueError, RecursionError):  # else it is shown as the model wrote it
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    return Part(kind="call", label=str(name or "a tool without a name"), text=text)


def _turns(document: Mapping[Any, Any]) -> Iterator[Turn]:
    if "instructions" in document:
        yield Turn("system", _parts(document["instructions"]), "instructions")
    for message in _list(document.get("messages")):
        yield _turn(message)
    given = document.get("input")
    for item in [given] if isinstance(given, str) else _list(given):
        yield _turn(item)
    prompt = document.get("prompt")
    for one in prompt if isinstance(prompt, list) and not _is_tokens(prompt) else [prompt]:
        yield Turn("user", _parts(one), "prompt")
    for name in ("suffix", "query", "documents"):
        yield Turn("user", _parts(document.get(name)), name)


def _turn(item: Any) -> Turn:
    """A message of chat completions, or an item of the Responses API."""
    if not isinstance(item, Mapping):
        return Turn("user", _parts(item))
    match item.get("type"):
        case "function_call" | "custom_tool_call":
            arguments = item.get("arguments", item.get("input"))
            return Turn("assistant", [call_part(item.get("name"), arguments)])
        case "function_call_output" | "custom_tool_call_output":
            return Turn("tool", [_result(item.get("call_id"), item.get("output"))])
        case "reasoning":
            return Turn("assistant", _parts(item.get("summary")), "reasoning")
        case _:
            return _message(item)


def _message(message: Mapping[Any, Any]) -> Turn:
    role, name = str(message.get("role") or "?"), str(message.get("name") or "")
    content = message.get("content")
    if role in ("tool", "function"):
        return Turn(role, [_result(message.get("tool_call_id"), content)], name)
    parts = [*_parts(content), *_parts(message.get("refusal"))]
    for call in (*_list(message.get("tool_calls")), message.get("function_call")):
        if isinstance(call, Mapping):
            inner = call.get("function") or call.get("custom") or call
            inner = inner if isinstance(inner, Mapping) else call
            parts.append(call_part(inner.get("name"), inner.get("arguments", inner.get("input"))))
    if not parts and content is None and "content" not in message and "role" not in message:
        parts = [Part(kind="data", label=str(message.get("type") or ""), text=shown(message))]
    return Turn(role, parts, name)


def _result(call: object, content: Any) -> Part:
    texts = [part.text for part in _parts(content)]
    return Part(kind="result", label=str(call or ""), text="\n".join(texts))


def _parts(content: Any) -> list[Part]:
    if _is_tokens(content):
        return [Part(kind="data", label=f"{len(content)} tokens", text=shown(content))]
    return [
        part
        for one in (content if isinstance(content, list) else [content])
        if one not in (None, "")
        for part in _part(one)
    ]


def _part(one: Any) -> Iterator[Part]:
    if isinstance(one, str):
        yield text_part(one)
        return
    kind = one.get("type") if isinstance(one, Mapping) else None
    if kind in _TEXTS or (kind is None and isinstance(one, Mapping) and "text" in one):
        yield text_part(str(one.get("text", one.get("refusal", ""))))
    elif kind in ("image_url", "input_image"):
        yield _image(one.get("image_url"))
    else:
        yield Part(kind="data", label=str(kind or ""), text=_shortened(shown(one)))


def _image(given: Any) -> Part:
    url = str(given.get("url", "") if isinstance(given, Mapping) else given or "")
    if IMAGE_URL.fullmatch(url):
        return Part(kind="image", source=url, text=url.partition(";")[0].removeprefix("data:"))
    return Part(kind="image", text=_shortened(url))


def _shortened(text: str, most: int = 2_000) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def _is_tokens(content: Any) -> bool:
    return isinstance(content, list) and bool(content) and isinstance(content[0], int)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
