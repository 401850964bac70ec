"""What OpenAI refuses of a request to a resource: parameters and models that it does not know."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from llm_proxy.openai_api.decoding import unknown_fields
from llm_proxy.openai_api.strict.bounds import Objections
from llm_proxy.openai_api.strict.models import listed, unknown_names


def unknown(document: bytes, shape: type[Struct], model_ids: Sequence[str]) -> Objections:
    """Every parameter is one of `shape`, and the model, if there is one, one of these.

    What is no JSON object, or has wrong types, is refused by whoever decodes it.
    """
    try:
        sent = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if not isinstance(sent, dict):
        return
    yield from unknown_names(unknown_fields(sent, shape))
    if isinstance(model := sent.get("model"), str):
        yield from listed(model, model_ids)
