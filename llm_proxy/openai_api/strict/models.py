"""What some models of OpenAI take, and others do not.

Owns what we know of models by their names. Where a model is neither known to reason nor known
not to, nothing is held against it.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from llm_proxy.core.chat_request import ChatRequest, Endpoint
from llm_proxy.errors import ModelNotFound, WrongEndpoint
from llm_proxy.openai_api.strict.bounds import Objections, mapping, refused
from llm_proxy.openai_api.strict.paths import at

REASONING = re.compile(r"(ft:)?(o\d|gpt-([5-9]|\d\d)(?!\S*-chat))")
NOT_REASONING = re.compile(r"(ft:)?(gpt-[34]|chatgpt-)")
SILENT = re.compile(r"gpt-5\.[1-4](-mini|-nano)?(-\d{4}-\d\d-\d\d)?")
"""Reasoning models that do not reason unless they are told to (their `none` is the default)."""

CHATTING = re.compile(r"(ft:)?(gpt-(4|5|\d\d|3\.5-turbo(?!-instruct))|chatgpt-|o\d)")
"""Models that only chat."""

NEVER = {"max_tokens": " Use 'max_completion_tokens' instead."}
NEVER |= dict.fromkeys(("stop", "logit_bias", "prediction"), "")
"""What reasoning models do not take in a chat, and the advice that comes with it."""

DEFAULTS: Mapping[str, float] = {
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
}
"""What they take in a chat while they reason, besides `temperature`, if it is this."""


INSIDE: Mapping[Endpoint, Mapping[str, frozenset[str]]] = {
    "chat": {
        "stream_options": frozenset({"include_usage", "include_obfuscation"}),
        "response_format": frozenset({"type", "json_schema"}),
        "response_format.json_schema": frozenset({"name", "schema", "description", "strict"}),
        "messages[].tool_calls[]": frozenset({"id", "type", "function", "custom"}),
        "messages[].tool_calls[].function": frozenset({"name", "arguments"}),
    },
    "responses": {
        "stream_options": frozenset({"include_obfuscation"}),
        "reasoning": frozenset({"effort", "summary", "generate_summary", "context"}),
        "text": frozenset({"format", "verbosity"}),
        "text.format": frozenset({"type", "name", "schema", "description", "strict"}),
    },
}
"""The fields of objects in a request, by their path, where OpenAI was seen to take no others."""


def unknown_parameters(request: ChatRequest) -> Objections:
    """No parameter is one that the endpoint, or in a chat the model, does not know.

    Older models and the older endpoint answer with a message of their own, that names all
    parameters at once and has neither `param` nor `code`.
    """
    unknown = list(request.unknown)
    older = request.endpoint == "chat" and NOT_REASONING.match(request.model)
    if older and request.document.get("reasoning_effort") is not None:
        unknown.append("reasoning_effort")
    if unknown and (older or request.endpoint == "completions"):
        arguments = "arguments" if len(unknown) > 1 else "argument"
        yield refused(f"Unrecognized request {arguments} supplied: {', '.join(sorted(unknown))}")
        return
    for path, known in INSIDE.get(request.endpoint, {}).items():
        for param, value in at(request.document, path):
            unknown += [f"{param}.{name}" for name in mapping(value) if name not in known]
    yield from unknown_names(unknown)


def unknown_names(names: Iterable[str]) -> Objections:
    """None of these parameters is known."""
    for name in names:
        yield refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def listed(model: str, model_ids: Collection[str]) -> Objections:
    """The model is one of those that are listed."""
    if model not in model_ids:
        yield ModelNotFound(f"The model `{model}` does not exist or you do not have access to it.")


def unsupported_parameters(request: ChatRequest) -> Objections:
    """Every parameter is one that the model takes, at least with the value that it has."""
    document = request.document
    if request.endpoint == "chat" and REASONING.match(request.model):
        for name, advice in NEVER.items():
            if document.get(name) is not None:
                yield refused(_unsupported(name) + advice, name, "unsupported_parameter")
        if _reasons(request):
            yield from _unsupported_in_chat(request)
    if request.endpoint == "responses" and _reasons(request):
        # Unlike a chat, a response takes the default of one, but not of the other.
        if document.get("temperature") not in (None, 1):
            yield refused(_unsupported("temperature"), "temperature")
        if document.get("top_p") is not None:
            yield refused(_unsupported("top_p"), "top_p")
    effort = mapping(document.get("reasoning")).get("effort")
    if request.endpoint == "responses" and effort and NOT_REASONING.match(request.model):
        param = "reasoning.effort"
        yield refused(_unsupported(param), param, "unsupported_parameter")


def endpoint(request: ChatRequest) -> Objections:
    """The model is one of the endpoint."""
    if request.endpoint == "completions" and CHATTING.match(request.model):
        yield WrongEndpoint(
            "This is a chat model and not supported in the v1/completions endpoint. "
            "Did you mean to use v1/chat/completions?",
            param="model",
        )


def _unsupported_in_chat(request: ChatRequest) -> Objections:
    temperature = request.document.get("temperature")
    if temperature not in (None, 1):
        yield refused(
            f"Unsupported value: 'temperature' does not support {temperature} with this model. "
            "Only the default (1) value is supported.",
            "temperature",
            "unsupported_value",
        )
    for name, default in DEFAULTS.items():
        if request.document.get(name) not in (None, default):
            yield refused(_unsupported(name), name, "unsupported_parameter")


def _reasons(request: ChatRequest) -> bool:
    """Whether the model reasons, with the effort that is asked for."""
    if not REASONING.match(request.model):
        return False
    document = request.document
    effort = document.get("reasoning_effort") or mapping(document.get("reasoning")).get("effort")
    return effort != "none" if effort else not SILENT.fullmatch(request.model)


def _unsupported(name: str) -> str:
    return f"Unsupported parameter: '{name}' is not supported with this model."
