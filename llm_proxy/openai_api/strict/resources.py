"""What OpenAI refuses of a request to a resource: parameters and models that it does not know."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from llm_proxy.errors import ModelNotFound
from llm_proxy.openai_api.decoding import unknown_fields
from llm_proxy.openai_api.strict.bounds import Objections, refused


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
    for name in unknown_fields(sent, shape):
        yield refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    model = sent.get("model")
    if isinstance(model, str) and model not in model_ids:
        yield ModelNotFound(f"The model `{model}` does not exist or you do not have access to it.")
