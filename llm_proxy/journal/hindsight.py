"""Hindsight: what is made of an exchange when somebody reads of it, and was not needed before.

Most exchanges are never looked at. So a request is kept as it was sent, and how it had been
understood is found out again; unless something had to be taken out of it.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import replace

from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.errors import ProxyError
from llm_proxy.journal import timeline
from llm_proxy.journal.entry import UNCOUNTED, Account, Entry, entry_of
from llm_proxy.journal.folded import shown
from llm_proxy.journal.redacted import AsSent, shortened
from llm_proxy.journal.warnings import Warnings, warnings_of

MAX_MESSAGES = 200
"""The last ones of a conversation, of which it is told how they were understood."""

MAX_TOLD = 128
"""Names of tools, or stop sequences, that are told of one request or message."""

MAX_NAME = 128
"""Characters of each."""

Understanding = Callable[[str, bytes], tuple[ChatRequest, Sequence[ProxyError]] | None]
"""From the path and the body of a request to how it is understood, and what OpenAI objects to."""

NOTHING: Mapping[str, Any] = {
    "query": "",
    "headers": {},
    "peer": "",
    "keyFingerprint": "",
    "requestDigest": "",
    "understood": None,
    "warnings": [],
    "error": None,
    "fault": None,
    "notes": [],
    "readOn": False,
    "reply": None,
    "reasoningTokens": 0,
    "cachedTokens": 0,
    "eventsLeftOut": 0,
    "answerHeaders": {},
    "response": "",
    "responseLeftOut": False,
}
"""The details of an exchange of which nothing is known.

- `query`, `headers`, `peer`, `keyFingerprint`, `requestDigest`: of the request. Headers that
  hold keys are left out.
- `understood`: the request as the server took it, without the conversation's texts, and with no
  more than `MAX_TOLD` names of tools.
- `warnings`: objects with `kind` (`refused`, `unknown`, `ignored`), `param`, `message`; the first
  `warnings.MAX_WARNINGS` of them.
- `error`: `status`, `type`, `code`, `param`, `message` of the error that it was answered with,
  or that broke it off. `fault`: what was made to go wrong. `notes`: what sources told of how
  they did. `readOn`: the client closed its side of the connection, and went on reading.
- `reply`: `choices`, each with `text`, `reasoning`, `refusal`, `toolCalls`, `citations`,
  `finishReason`; `cut` tells that a text was longer than `folded.MAX_SAID`.
- `eventsLeftOut`: of the time line. `answerHeaders`, and `response`, the beginning of the
  answer as it was sent. `responseLeftOut`: that is not kept of one that came in pieces, as of a
  secret that stands in the exchange each of them may have a part.
"""


def counted(entry: Entry, understanding: Understanding) -> Entry:
    """The entry with its warnings counted."""
    if entry.warning_count != UNCOUNTED:
        return entry
    return replace(entry, warning_count=_looked_into(entry, understanding)[1].in_all)


def whole(account: Account, understanding: Understanding) -> tuple[Entry, Mapping[str, Any]]:
    """The entry with its warnings counted, and all else that was kept or can be found out."""
    entry = entry_of(account.listed)
    told = {
        **NOTHING,
        **msgspec.json.decode(account.sender),
        **msgspec.json.decode(account.details),
        "answerHeaders": {
            name.lower(): value for name, value in msgspec.json.decode(account.answered)
        },
        "response": account.response,
        "responseLeftOut": bool(entry.response_bytes) and not account.response,
        "timeline": timeline.read(account.timeline),
    }
    if told["reply"]:
        told["reply"] = {"choices": [shown(choice) for choice in told["reply"]["choices"]]}
    if entry.request_bytes and not told["requestDigest"]:
        told["requestDigest"] = digest(bytes(entry.request))
    if entry.warning_count == UNCOUNTED:
        asked, warnings = _looked_into(entry, understanding)
        told |= {"understood": asked and understood(asked, AsSent()), "warnings": warnings.told}
        entry = replace(entry, warning_count=warnings.in_all)
    return entry, told


def digest(body: bytes) -> str:
    """What tells one request from another, even if it is too long to be kept."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def understood(asked: ChatRequest, redacted: Callable[[str], str]) -> Mapping[str, Any]:
    """The request as the server took it; secrets are only taken out of what is cut."""

    def short(name: str) -> str:
        return shortened(name, MAX_NAME, redacted)

    def some(names: Iterable[str]) -> list[str]:
        return [short(name) for name in islice(names, MAX_TOLD)]

    return {
        "endpoint": asked.endpoint,
        "model": short(asked.model),
        "messages": [
            {
                "role": message.role,
                "characters": len(message.text),
                "attachments": message.attachments,
                "toolCalls": some(call.name for call in message.tool_calls),
            }
            for message in asked.messages[-MAX_MESSAGES:]
        ],
        "stream": asked.stream,
        "includeUsage": asked.include_usage,
        "tools": some(tool.name for tool in asked.tools),
        "toolChoice": asked.tool_choice.mode,
        "jsonAnswer": asked.schema is not None,
        "n": asked.n,
        "stop": some(asked.stop),
        "maxTokens": asked.max_tokens,
        "seed": asked.seed,
        "store": asked.store,
        "previous": asked.previous and short(asked.previous),
    }


def _looked_into(entry: Entry, understanding: Understanding) -> tuple[ChatRequest | None, Warnings]:
    found = understanding(entry.path, bytes(entry.request))
    if found is None:
        return None, Warnings((), 0)
    asked, objections = found
    return asked, warnings_of(asked, objections, entry.origin, AsSent())
