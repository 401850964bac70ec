"""Stored chat completions: `/chat/completions` as a collection of those made with `store: true`.

Source of the shapes: API reference, "Chat completions": list, get, update, delete, messages.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from llm_proxy.openai_api.decoding import decode_body
from llm_proxy.openai_api.pages import page
from llm_proxy.openai_api.resource import Answer, Call, Resource, answer
from llm_proxy.store import Stored


class UpdateBody(Struct):
    metadata: Annotated[dict[str, str], Meta(max_length=16)] | None


def listed(call: Call) -> Answer:
    """The stored completions that the query asks for, the oldest first."""
    kept = [_shown(stored) for stored in call.store.all("chat")]
    model = call.query.get("model")
    wanted = {
        name[len("metadata[") : -1]: value
        for name, value in call.query.items()
        if name.startswith("metadata[") and name.endswith("]")
    }
    found = [
        one
        for one in kept
        if model in (None, one["model"]) and wanted.items() <= (one["metadata"] or {}).items()
    ]
    return Answer(body=page(found, call.query))


def shown(call: Call) -> Answer:
    """One stored completion."""
    return answer(_shown(_stored(call)))


def updated(call: Call) -> Answer:
    """One stored completion, its metadata replaced."""
    stored = _stored(call)
    body, _ = decode_body(call.document, UpdateBody, {})
    document = {**stored.document, "metadata": body.metadata or {}}
    stored = msgspec.structs.replace(stored, document=document)
    call.store.replace(stored)
    return answer(_shown(stored))


def deleted(call: Call) -> Answer:
    """The news that a stored completion is no more."""
    stored = _stored(call)
    call.store.delete("chat", stored.id)
    return answer({"object": "chat.completion.deleted", "id": stored.id, "deleted": True})


def messages(call: Call) -> Answer:
    """The messages that a stored completion answered, as they were sent."""
    stored = _stored(call)
    sent: Iterable[Mapping[str, Any]] = stored.request.document["messages"]
    found = [_message(f"{stored.id}-{number}", one) for number, one in enumerate(sent)]
    return Answer(body=page(found, call.query))


RESOURCES: Sequence[Resource] = (
    Resource("GET", "/chat/completions", listed),
    Resource("GET", "/chat/completions/<id>", shown),
    Resource("POST", "/chat/completions/<id>", updated),
    Resource("DELETE", "/chat/completions/<id>", deleted),
    Resource("GET", "/chat/completions/<id>/messages", messages),
)


def _stored(call: Call) -> Stored:
    return call.stored("chat", f"No stored chat completion has the id '{call.names['id']}'.")


def _shown(stored: Stored) -> dict[str, Any]:
    return {"metadata": stored.request.document.get("metadata") or {}, **stored.document}


def _message(name: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    content = sent.get("content")
    parts = content if isinstance(content, list) else None
    text = content
    if parts is not None:
        text = "".join(part["text"] for part in parts if part.get("type") == "text")
    return {**sent, "id": name, "content": text, "content_parts": parts}
