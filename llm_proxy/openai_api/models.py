"""`/models`: the models that a half lists."""

from collections.abc import Sequence
from typing import Any

from llm_proxy.errors import InvalidRequest, ModelNotFound
from llm_proxy.openai_api.resource import Answer, Call, Resource, answer

CREATED = 1_700_000_000
"""Unix seconds; the same for every model, so that the list never changes by itself."""


def resources(ids: Sequence[str], *, strict: bool) -> tuple[Resource, ...]:
    """The routes that list `ids`, show a model, and delete a fine-tuned one.

    Unless `strict`, a model that is not listed is shown, too: requests may name any.
    """

    def listed(_: Call) -> Answer:
        models = {"object": "list", "data": [_model(name) for name in ids]}
        return answer(models)

    def shown(call: Call) -> Answer:
        name = call.names["model"]
        if strict and name not in ids:
            raise ModelNotFound(f"The model '{name}' does not exist", param="model")
        return answer(_model(name))

    def deleted(call: Call) -> Answer:
        name = call.names["model"]
        if not name.startswith("ft:"):
            raise InvalidRequest(f"The model '{name}' is not fine-tuned and cannot be deleted.")
        return answer({"id": name, "object": "model", "deleted": True})

    return (
        Resource("GET", "/models", listed),
        Resource("GET", "/models/<path:model>", shown),
        Resource("DELETE", "/models/<path:model>", deleted),
    )


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "llm-proxy"}
