"""What OpenAI refuses although its types are right: the rules that `MOCK_STRICT` enforces.

Each rule looks at a request and says what is wrong with it. Source of the rules: API
reference, and errors that the API was seen to answer with.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from llm_proxy.core.chat_request import ChatRequest, Endpoint
from llm_proxy.openai_api.strict.bounds import (
    Objections,
    array,
    mapping,
    no_longer,
    refused,
    within,
)
from llm_proxy.openai_api.strict.choices import words
from llm_proxy.openai_api.strict.history import answers, names_called
from llm_proxy.openai_api.strict.models import (
    endpoint,
    listed,
    unknown_parameters,
    unsupported_parameters,
)
from llm_proxy.openai_api.strict.output import answer_format, tools

MAX_STOPS = 4
MAX_METADATA = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512
MAX_LOGIT_BIAS = 100


class Range(NamedTuple):
    """The numbers that a field may be, both ends included."""

    field: str
    low: int
    high: int | None
    kind: Literal["integer", "decimal"] = "decimal"


_COMMON = (Range("temperature", 0, 2), Range("top_p", 0, 1))
_PENALTIES = (Range("presence_penalty", -2, 2), Range("frequency_penalty", -2, 2))
_CHOICES = Range("n", 1, 128, "integer")
_TOP_LOGPROBS = Range("top_logprobs", 0, 20, "integer")
RANGES: Mapping[Endpoint, Sequence[Range]] = {
    "chat": (
        Range("max_tokens", 1, None, "integer"),
        Range("max_completion_tokens", 1, None, "integer"),
        _CHOICES,
        *_COMMON,
        *_PENALTIES,
        _TOP_LOGPROBS,
    ),
    "completions": (_CHOICES, *_COMMON, *_PENALTIES),
    "responses": (Range("max_output_tokens", 16, None, "integer"), *_COMMON, _TOP_LOGPROBS),
}


def objections(request: ChatRequest, model_ids: Sequence[str]) -> Objections:
    """The errors that OpenAI would answer with; it would answer with the first.

    There may be any number of them, so they are made one by one.

    They come in the order in which it was seen to look, as far as that is known. That the
    model is not listed comes last, so that the rules for a model show for unlisted ones too.
    """
    for rule in RULES:
        yield from rule(request)
    yield from listed(request.model, model_ids)


def something_asked(request: ChatRequest) -> Objections:
    """A response has a model and something to respond to; the decoder asks for neither."""
    if request.endpoint != "responses":
        return
    sent = {name for name, value in request.document.items() if value not in (None, "")}
    if not sent & {"model", "prompt"}:
        yield refused("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    if not sent & {"input", "previous_response_id", "prompt", "conversation"}:
        yield refused(
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' "
            "must be provided.",
            "input",
            "missing_required_parameter",
        )


def numbers(request: ChatRequest) -> Objections:
    """Numbers are in their ranges."""
    for field, low, high, kind in RANGES[request.endpoint]:
        yield from within(field, request.document.get(field), low, high, kind)


def logit_bias(request: ChatRequest) -> Objections:
    """Tokens are named by their numbers, and a bias is between -100 and 100."""
    for token, bias in mapping(request.document.get("logit_bias")).items():
        if not token.isdecimal():
            yield refused(
                f"Invalid key in 'logit_bias': {token}. "
                "You should only be submitting non-negative integers.",
                "logit_bias",
            )
        kind = "integer" if isinstance(bias, int) else "decimal"
        yield from within(f"logit_bias.{token}", bias, -MAX_LOGIT_BIAS, MAX_LOGIT_BIAS, kind)


def lengths(request: ChatRequest) -> Objections:
    """Stop sequences and metadata are not too many, and metadata is short."""
    stop, metadata = request.document.get("stop"), mapping(request.document.get("metadata"))
    yield from no_longer("stop", "array", len(array(stop)), MAX_STOPS)
    if len(metadata) > MAX_METADATA:
        yield refused(
            f"Invalid 'metadata': too many properties. Expected an object with at most "
            f"{MAX_METADATA} properties, but got an object with {len(metadata)} properties "
            "instead.",
            "metadata",
            "object_above_max_properties",
        )
    for key, value in metadata.items():
        if len(key) > MAX_METADATA_KEY:
            yield refused(
                f"Invalid property name in 'metadata': '{key[:3]}...{key[-3:]}' is too long. "
                f"Expected a string with maximum length {MAX_METADATA_KEY}, but got a string "
                f"with length {len(key)} instead.",
                f"metadata.{key}",
                "property_name_above_max_length",
            )
        if isinstance(value, str):
            yield from no_longer(f"metadata.{key}", "string", len(value), MAX_METADATA_VALUE)


def combinations(request: ChatRequest) -> Objections:
    """What is allowed only beside something else is beside it, and what is not is not."""
    sent = {name for name, value in request.document.items() if value is not None}
    if sent >= {"max_tokens", "max_completion_tokens"}:
        yield refused(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "max_tokens",
            "invalid_parameter_combination",
        )
    if "stream_options" in sent and not request.stream:
        yield refused(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    if request.endpoint != "chat":
        return
    if "top_logprobs" in sent and not request.document.get("logprobs"):
        yield refused(
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
            "top_logprobs",
        )
    if "parallel_tool_calls" in sent and "tools" not in sent:
        yield refused(
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when "
            "'tools' are specified.",
            "parallel_tool_calls",
        )


RULES: Sequence[Callable[[ChatRequest], Objections]] = (
    endpoint,
    unknown_parameters,
    something_asked,
    names_called,
    tools,
    numbers,
    words,
    answer_format,
    logit_bias,
    lengths,
    combinations,
    unsupported_parameters,
    answers,
)
