"""The log: one line for each request at its end, readable by people or by machines.

Owns the form of a line and what must not stand in it. Secrets are taken out of every line
as the last step, so that no caller has to think of them.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from llm_proxy.exchange import Exchange
from llm_proxy.settings import Settings

log = logging.getLogger(__name__)

MAX_BODY_CHARACTERS = 64 * 1024

_IN_MESSAGE = ("method", "path", "status")

_PATTERNS = (
    (re.compile(r"(?i)\b(bearer|basic) +[\w.~+/=-]+"), r"\1 ***"),
    (re.compile(r"\b(sk-)[\w-]{8,}"), r"\1***"),
    (
        re.compile(
            r"(?i)\b((?:x-)?api[-_]?key|authorization|cookie|password|secret|token)"
            r"""(\\*["']?\s*[:=]\s*\\*["']?)(?!bearer |basic )[^\s"'\\,;&}]+"""
        ),
        r"\1\2***",
    ),
)


def configure(settings: Settings) -> None:
    """Send the log of this package to standard error, in the form that `settings` ask for."""
    formatter = {"text": TextFormatter, "json": JsonFormatter}[settings.server.log_format]
    handler = _StandardError()
    handler.setFormatter(formatter(settings.secrets))
    package = logging.getLogger("llm_proxy")
    package.handlers[:] = [handler]
    package.setLevel(settings.server.log_level.upper())
    package.propagate = False


def bodies_wanted() -> bool:
    """Whether bodies are logged, and so have to be kept until the end of the request."""
    return log.isEnabledFor(logging.DEBUG)


def log_exchange(exchange: Exchange) -> None:
    """Write the line of one request; with its bodies where they are wanted."""
    level = logging.WARNING if exchange.outcome in ("failed", "upstream failed") else logging.INFO
    if log.isEnabledFor(level):
        message = f"{exchange.method} {exchange.path} {exchange.status}"
        log.log(level, message, extra={"fields": _fields(exchange)})


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """Replace `secrets`, and what looks like one, by `***`."""
    for secret in secrets:
        text = text.replace(secret, "***").replace(json.dumps(secret)[1:-1], "***")
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class TextFormatter(logging.Formatter):
    """`time LEVEL message key=value …`, on one line but for tracebacks."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        words = [_time(record), record.levelname, _one_line(record.getMessage())]
        words += [
            f"{name}={_value(value)}"
            for name, value in _extra(record).items()
            if name not in _IN_MESSAGE
        ]
        line = " ".join(words)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line, self._secrets)


class JsonFormatter(logging.Formatter):
    """One JSON object on a line."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return redact(json.dumps(entry, ensure_ascii=False), self._secrets)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment, as it may be replaced after the start."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _fields(exchange: Exchange) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
    }
    if exchange.model is not None:
        fields |= {"model": exchange.model, "stream": exchange.stream}
    if exchange.usage is not None:
        fields["prompt_tokens"] = exchange.usage.prompt_tokens
        fields["completion_tokens"] = exchange.usage.completion_tokens
    fields["ms"] = round(exchange.seconds * 1000, 1)
    fields["bytes"] = exchange.size
    fields["end"] = exchange.outcome
    fields["id"] = exchange.id
    if exchange.keep_bodies:
        fields["request"] = _shortened(exchange.request_body)
        fields["response"] = _shortened(b"".join(exchange.response_body))
    return fields


def _extra(record: logging.LogRecord) -> Mapping[str, Any]:
    return getattr(record, "fields", {})


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _shortened(body: bytes) -> str:
    text = body[: 4 * MAX_BODY_CHARACTERS].decode(errors="replace")
    return text if len(text) <= MAX_BODY_CHARACTERS else text[:MAX_BODY_CHARACTERS] + "…"


def _value(value: object) -> str:
    """A value of the text form: bare where it can be told apart from the next key."""
    if isinstance(value, str) and not re.fullmatch(r"[\w.:/@+-]+", value):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_line(message: str) -> str:
    """Line breaks escaped, so that a request cannot write a line of its own."""
    return message.encode("unicode_escape").decode() if not message.isprintable() else message
