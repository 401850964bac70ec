"""No request makes the rules of strictness stumble, whatever is in it."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_proxy.core.chat_request import ChatRequest, Message, ToolCall
from llm_proxy.errors import InvalidRequest
from llm_proxy.openai_api.chat import request as chat
from llm_proxy.openai_api.errors import error_body
from llm_proxy.openai_api.strict.rules import objections

MODELS = ("gpt-4o", "gpt-5", "mine")

FIELDS = (
    "conversation frequency_penalty functions input instructions logit_bias logprobs max_tokens "
    "max_completion_tokens max_output_tokens metadata n parallel_tool_calls prediction "
    "presence_penalty previous_response_id reasoning reasoning_effort response_format stop store "
    "stream stream_options temperature text tools top_logprobs top_p"
)
KEYS = (
    "$defs $ref additionalProperties allOf anyOf call_id const custom definitions effort enum "
    "format function function_call_output id items json_schema messages name not parameters "
    "properties required role schema strict tool_calls type"
)
WORDS = (
    "array custom function function_call function_call_output json json_object json_schema "
    "low none object string uri call_1 f a.b #/$defs/f #"
)

text = st.sampled_from(WORDS.split()) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=3
)
key = st.sampled_from(KEYS.split()) | text
scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text
anything = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(key, inner, max_size=4),
    max_leaves=12,
)
call_ids = st.sampled_from(["", "call_1", "call_2"])
messages = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(["system", "user", "assistant", "tool", "function"]),
        text=text,
        tool_calls=st.lists(st.builds(ToolCall, call_ids, text, text), max_size=2).map(tuple),
        tool_call_id=st.none() | call_ids,
    ),
    max_size=4,
).map(tuple)
requests = st.builds(
    ChatRequest,
    model=st.sampled_from([*MODELS, "o3", "gpt-5.2"]) | text,
    messages=messages,
    endpoint=st.sampled_from(["chat", "completions", "responses"]),
    previous=st.none() | text,
    document=st.dictionaries(st.sampled_from(FIELDS.split()) | text, anything, max_size=6),
    unknown=st.lists(text, max_size=2).map(tuple),
)


def check(request: ChatRequest) -> None:
    """Every objection to `request` can be written down."""
    for objection in objections(request, MODELS):
        assert isinstance(objection, InvalidRequest)
        assert json.loads(error_body(objection))["error"]["message"]


@settings(deadline=None, max_examples=500)
@given(requests)
def test_any_request_is_looked_at_without_stumbling(request: ChatRequest) -> None:
    check(request)


schemas = st.dictionaries(key, anything, max_size=5)
functions = st.fixed_dictionaries(
    {"name": text}, optional={"parameters": schemas, "strict": st.booleans()}
)
documents = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["gpt-4o", "gpt-5", "o3", "gpt-5.2", "other"]),
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.just("user"), "content": text})
            | st.fixed_dictionaries(
                {"role": st.just("tool"), "content": text, "tool_call_id": call_ids}
            )
            | st.fixed_dictionaries(
                {
                    "role": st.just("assistant"),
                    "tool_calls": st.lists(
                        st.fixed_dictionaries(
                            {"type": st.just("function"), "id": call_ids, "function": functions}
                        ),
                        max_size=2,
                    ),
                }
            ),
            min_size=1,
            max_size=4,
        ),
    },
    optional={
        "tools": st.none()
        | st.lists(
            st.fixed_dictionaries({"type": st.just("function"), "function": functions}), max_size=3
        ),
        "functions": st.lists(functions, max_size=2),
        "response_format": st.fixed_dictionaries(
            {
                "type": st.sampled_from(["text", "json_object", "json_schema"]),
                "json_schema": st.fixed_dictionaries(
                    {"name": text}, optional={"schema": schemas, "strict": st.booleans()}
                ),
            }
        ),
        "logit_bias": st.dictionaries(text, st.integers(-200, 200), max_size=2),
        "metadata": st.dictionaries(text, text, max_size=20),
        "stop": text | st.lists(text, max_size=6),
        "stream": st.booleans(),
        "stream_options": st.just({"include_usage": True}),
        "temperature": st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "max_tokens": st.none() | st.integers(0, 9),
        "max_completion_tokens": st.none() | st.integers(0, 9),
        "unheard_of": anything,
    },
)


@settings(deadline=None, max_examples=300)
@given(documents)
def test_any_chat_that_is_understood_is_looked_at_without_stumbling(
    document: dict[str, Any],
) -> None:
    try:
        request = chat.parse(json.dumps(document).encode())
    except InvalidRequest:
        return
    check(request)
