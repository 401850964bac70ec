"""Fields that take one of a few words: which these are.

Source: OpenAI's OpenAPI document. That there is nothing else in them is only looked at where
requests are checked strictly: compatible APIs have further words.
"""

from collections.abc import Mapping, Sequence

from llm_proxy.core.chat_request import ChatRequest, Endpoint
from llm_proxy.openai_api.responses.hosted import listing
from llm_proxy.openai_api.strict.bounds import Objections, refused
from llm_proxy.openai_api.strict.paths import at

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_LEVELS = ("low", "medium", "high")
_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
_RETENTIONS = ("in_memory", "in-memory", "24h")
_SUMMARIES = ("auto", "concise", "detailed")
_STATUSES = ("in_progress", "completed", "incomplete")

WORDS: Mapping[Endpoint, Mapping[str, Sequence[str]]] = {
    "chat": {
        "service_tier": _TIERS,
        "verbosity": _LEVELS,
        "reasoning_effort": _EFFORTS,
        "modalities[]": ("text", "audio"),
        "prompt_cache_retention": _RETENTIONS,
        "prediction.type": ("content",),
        "web_search_options.search_context_size": _LEVELS,
        "messages[].content[].image_url.detail": ("auto", "low", "high"),
        "messages[].content[].input_audio.format": ("wav", "mp3"),
    },
    "responses": {
        "service_tier": _TIERS,
        "text.verbosity": _LEVELS,
        "reasoning.effort": _EFFORTS,
        "reasoning.summary": _SUMMARIES,
        "reasoning.generate_summary": _SUMMARIES,
        "prompt_cache_retention": _RETENTIONS,
        "input[].status": _STATUSES,
        "input[].content[].detail": ("low", "high", "auto", "original"),
    },
}
"""By the path of the field, as `paths` has them."""


def words(request: ChatRequest) -> Objections:
    """Fields that take one of a few words have one of them."""
    for path, allowed in WORDS.get(request.endpoint, {}).items():
        for param, value in at(request.document, path):
            if isinstance(value, str) and value not in allowed:
                only = "values are" if len(allowed) > 1 else "value is"
                message = f"Invalid value: '{value}'. Supported {only}: {listing(*allowed)}."
                yield refused(message, param, "invalid_value")
