"""Attempts: exchanges as the client report looks at them, each by itself."""

import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import cached_property

from llm_proxy.control.asked import chat_asked
from llm_proxy.journal.entry import Found

Client = tuple[str, str, str]
"""A fingerprint of its key, its `User-Agent`, its address without the port."""

RETRY_COUNT = "x-stainless-retry-count"
"""The header in which OpenAI's SDKs count the retries of a request."""

_COUNT = re.compile("[0-9]{1,9}")

RETRIED_STATUSES = (408, 409, 429)
"""Besides 5xx: those that OpenAI's SDKs retry."""

NEVER_RETRIED_CODES = ("insufficient_quota",)


CUTS = ("disconnect", "reset", "truncate")
"""The faults that break a reply off."""


class Attempt:
    """One exchange. Times are in Unix seconds.

    `count` is that of the retry, 0 for the first attempt; None where the client counts none.
    `gave_up` says that the client left before it had all of the answer, or any.
    """

    def __init__(self, found: Found) -> None:
        entry, details = found.entry, found.details
        self._found = found
        self._answer_headers: Mapping[str, str] = details["answerHeaders"]
        counted: str = details["headers"].get(RETRY_COUNT, "")
        self.count = int(counted) if _COUNT.fullmatch(counted) else None
        self.gave_up = entry.outcome == "client gone"
        self.id = entry.id
        self.status: int = entry.status
        self.came = entry.time
        self.ended = entry.time + entry.duration_ms / 1000
        self.peer = details["peer"]
        self.client: Client = (
            details["keyFingerprint"],
            entry.client,
            self.peer.rpartition(":")[0],
        )
        self.request = (entry.path, details["requestDigest"])
        error = details["error"] or {}
        self.code: str | None = error.get("code") or error.get("type")
        self.read_on = bool(details["readOn"])

    @property
    def has_failed(self) -> bool:
        """Whether it was answered with an error, or broke off, and not for the client."""
        return not self.gave_up and (self.status >= 400 or self.was_broken_off)

    @property
    def was_broken_off(self) -> bool:
        """Whether the reply had begun, and did not come to its end."""
        entry, details = self._found.entry, self._found.details
        fault = details["fault"] if entry.outcome == "scripted" else None
        cut = fault is not None and fault["kind"] in CUTS
        return self.status < 400 and (cut or details["error"] is not None)

    @property
    def is_whole(self) -> bool:
        """Whether the client had all of a reply."""
        return self.status < 400 and not self.was_broken_off and not self.gave_up

    @property
    def may_be_retried(self) -> bool:
        """Whether it can succeed when it is asked again, as far as the answer told."""
        told = self._answer_headers.get("x-should-retry")
        if told in ("true", "false"):
            return told == "true"
        temporary = self.status in RETRIED_STATUSES or self.status >= 500
        return temporary and self.code not in NEVER_RETRIED_CODES

    @property
    def retry_after_seconds(self) -> float | None:
        """For how long the client was asked to wait (RFC 9110, 10.2.3), if it was."""
        headers = self._answer_headers
        try:
            if "retry-after-ms" in headers:
                return float(headers["retry-after-ms"]) / 1000
            return float(headers["retry-after"])
        except (KeyError, ValueError):
            pass
        try:
            return parsedate_to_datetime(headers["retry-after"]).timestamp() - self.ended
        except (KeyError, ValueError):
            return None

    @property
    def text(self) -> str:
        """What was said in the first choice."""
        reply = self._found.details["reply"]
        return str(reply["choices"][0]["text"]) if reply else ""

    @cached_property
    def said_before(self) -> Sequence[str]:
        """What the conversation that was sent has as the model's answers."""
        asked = chat_asked(self._found)
        messages = asked.messages if asked else ()
        return [message.text for message in messages if message.role == "assistant"]
