"""Chunks: what the streams of chat, legacy and fill-in-the-middle completions share.

Knows how a chunk begins and ends, and how the stream does; not what a choice looks like.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import Annotations, Finish, Reply, Usage
from llm_proxy.errors import ProxyError
from llm_proxy.openai_api import sse
from llm_proxy.openai_api.errors import error_body
from llm_proxy.openai_api.surface import Encoder


class ChunkEncoder(Encoder):
    """The part of an encoder that is the same for all of them.

    What stands around a choice is the same in all chunks of a reply, so it is written once.
    """

    def __init__(self, head: Mapping[str, Any], request: ChatRequest) -> None:
        self._request = request
        self._head = _json(head).removesuffix(b"}")
        # With `include_usage` every chunk before the usage chunk carries a null.
        self._tail = b',"usage":null}' if request.include_usage else b"}"
        self._citations: dict[int, bytes] = {}
        self._usage = Usage(0, 0)

    def fail(self, error: ProxyError) -> bytes:
        return sse.data(error_body(error))

    def end(self) -> bytes:
        if not self._request.include_usage:
            return sse.DONE
        usage = _json(usage_object(self._usage))
        return sse.data(self._head + b',"choices":[],"usage":' + usage + b"}") + sse.DONE

    def _annotated(self, event: Annotations) -> bytes:
        """Keep the citations of a choice for its last chunk."""
        self._citations[event.choice] = b',"citations":' + _json(event.citations)
        return b""

    def _finished(self, event: Finish) -> bytes:
        """Keep the usage; what the last chunk of the choice has beside its choice."""
        self._usage = event.usage or self._usage
        return self._citations.pop(event.choice, b"")

    def _written(self, choice: bytes, more: bytes = b"") -> bytes:
        """One chunk with one choice, and fields beside it."""
        return sse.data(b'%b,"choices":[%b]%b%b' % (self._head, choice, more, self._tail))


def cited(reply: Reply) -> dict[str, Any]:
    """The `citations` field of a whole reply, if there are any: those of all choices, once."""
    citations = dict.fromkeys(one for choice in reply.choices for one in choice.citations)
    return {"citations": list(citations)} if citations else {}


def usage_object(usage: Usage) -> dict[str, Any]:
    """The usage object of chat and legacy completions."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


_json = msgspec.json.Encoder().encode
