"""Stored responses: `/responses/{id}` and what belongs to it, and the table of these routes.

Source of the shapes: API reference, "Responses": get, delete, cancel, list input items.
"""

from collections.abc import Sequence

from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.pages import page
from llm_proxy.openai_api.resource import Answer, Call, Resource, answer
from llm_proxy.openai_api.responses.long_form import input_items
from llm_proxy.openai_api.responses.tokens import input_tokens
from llm_proxy.store import Stored


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


def listed(call: Call) -> Answer:
    """The items that a stored response was asked with, the last one first."""
    return Answer(body=page(list(input_items(_stored(call))), call.query, order="desc"))


RESOURCES: Sequence[Resource] = (
    Resource("GET", "/responses/<id>", shown),
    Resource("DELETE", "/responses/<id>", deleted),
    Resource("POST", "/responses/<id>/cancel", cancelled),
    Resource("GET", "/responses/<id>/input_items", listed),
    Resource("POST", "/responses/input_tokens", input_tokens),
)


def _stored(call: Call) -> Stored:
    return call.stored("responses", f"Response with id '{call.names['id']}' not found.")
