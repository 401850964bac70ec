"""`GET /models` and `GET /models/{id}`: the models that a half lists."""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_proxy.errors import ModelNotFound

CREATED = 1_700_000_000
"""Unix seconds; the same for every model, so that the list never changes by itself."""


def models_body(ids: Sequence[str]) -> bytes:
    """The list object with one model object for each id."""
    return msgspec.json.encode({"object": "list", "data": [_model(name) for name in ids]})


def model_body(name: str, ids: Sequence[str]) -> bytes:
    """The model object of one listed id.

    Raises:
        ModelNotFound: the id is not listed.
    """
    if name not in ids:
        raise ModelNotFound(
            f"The model {name!r} does not exist. Listed are: {', '.join(ids)}.", param="model"
        )
    return msgspec.json.encode(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "llm-proxy"}
