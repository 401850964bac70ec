"""The request log: one line for each request at its end, readable by people or by machines.

Written behind the answer, as a write lets other threads take over amid a request, and past
the logging module, where making a record takes longer than the line. What comes from outside is
looked at for secrets first; a line that holds none is written as it is.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from llm_proxy.core.reply import Fact
from llm_proxy.records import cut
from llm_proxy.records.exchange import Exchange
from llm_proxy.settings import ServerSettings
from llm_proxy.work.behind import Behind

MAX_BODY_CHARACTERS = 64 * 1024

MAX_NAME_CHARACTERS = 1000

NAME_LOOKED_AT, LOOKED_AT = (
    most + cut.MAX_SECRET for most in (MAX_NAME_CHARACTERS, MAX_BODY_CHARACTERS)
)
"""Of a longer one so much is looked through, lest a part of a secret be left where it is cut."""

log = logging.getLogger(__name__)

_IN_MESSAGE = ("method", "path", "status")
_LEVELS = logging.getLevelNamesMapping()
_BARE = re.compile(r"[\w.:/@+-]+").fullmatch
_BARE_PATH = re.compile(r"[\w./-]+", re.ASCII).fullmatch

_LONG = {
    **dict.fromkeys(("path", "model", "source"), MAX_NAME_CHARACTERS),
    **dict.fromkeys(("request", "warnings", "response"), MAX_BODY_CHARACTERS),
}
"""The texts of a line of which there may be any length, and how many of their characters it has."""
_OURS = ("end", "id")
"""The texts of a line that nobody outside has a say in."""

# All of ASCII that is printed, but for quotes and backslashes.
_MASKED = re.compile(r"(?<!\\)\\(?:u00((?!2[27]|5[Cc]|7[Ff])[2-7][0-9A-Fa-f])|/)")

Level = Literal["INFO", "WARNING"]


class _Told(NamedTuple):
    """What a line tells of an exchange, which ended at `time`.

    The exchange itself, with all that it holds, would take the place in the processor's caches
    that the next ones could use.
    """

    level: Level
    time: float
    fields: dict[str, Any]


def tells_bodies(settings: ServerSettings) -> bool:
    """Whether bodies are logged, and so have to be kept until the end of the request."""
    return _least(settings) <= logging.DEBUG


def teller(settings: ServerSettings, redacted: Callable[[str], str]) -> Callable[[Exchange], None]:
    """What writes the line of an exchange to standard error, with its bodies where it has them.

    `redacted` takes secrets out of a text.
    """
    least = _least(settings)
    form = {"text": _text, "json": _json}[settings.log_format]

    def write(told: Sequence[_Told], left_out: int) -> None:
        lines = [form(one, _shortened(one.fields, _clean(one.fields, redacted))) for one in told]
        if left_out:
            log.warning("%d requests are not logged, as too many came at once", left_out)
        with suppress(OSError, ValueError):  # closed: no reason to answer nobody any more
            # What it is now, as it may be replaced after the start.
            sys.stderr.write("".join([f"{line}\n" for line in lines]))

    behind = Behind(write)

    def tell(exchange: Exchange) -> None:
        level = _level(exchange)
        if _LEVELS[level] >= least:
            told = _Told(level, exchange.came_at + exchange.seconds, _fields(exchange))
            behind.put(told, _length(told) if exchange.keep_bodies else 0)

    return tell


def _length(told: _Told) -> int:
    return sum(len(value) for value in told.fields.values() if isinstance(value, str))


def _level(exchange: Exchange) -> Level:
    return "WARNING" if exchange.outcome in ("failed", "upstream failed") else "INFO"


def _least(settings: ServerSettings) -> int:
    return _LEVELS[settings.log_level.upper()]


def _text(told: _Told, fields: dict[str, Any]) -> str:
    """`time LEVEL METHOD path status key=value …`, on one line."""
    message = _message(fields)
    for name in _IN_MESSAGE:
        del fields[name]
    rest = "".join([f" {name}={_value(value)}" for name, value in fields.items()])
    return f"{_moment(told.time)} {told.level} {message}{rest}"


def _json(told: _Told, fields: dict[str, Any]) -> str:
    """One JSON object on a line."""
    level = told.level.lower()
    entry = {"time": _moment(told.time), "level": level, "message": _message(fields)}
    return json.dumps(entry | fields)


def _message(fields: Mapping[str, Any]) -> str:
    method, path, status = (fields[name] for name in _IN_MESSAGE)
    if not _BARE_PATH(path):
        path = quote(path)  # encoded again: spaces and line breaks in it would forge a field
    return f"{method} {path} {status}"


def _clean(fields: dict[str, Any], redacted: Callable[[str], str]) -> dict[str, Any]:
    """The fields without secrets; most often there are none, which is found out in one go."""
    outside = {
        name: _unmasked(value)
        for name, value in fields.items()
        if isinstance(value, str) and name not in _OURS
    }
    looked_at = "\n".join(outside.values())
    if redacted(looked_at) == looked_at:
        return fields
    return fields | {name: redacted(value) for name, value in outside.items()}


def _unmasked(text: str) -> str:
    """The text, which may be JSON that is cut off, without escapes that it does not need."""
    if "\\u00" not in text and "\\/" not in text:
        return text
    return _MASKED.sub(lambda found: chr(int(found[1], 16)) if found[1] else "/", text)


def _fields(exchange: Exchange) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "method": exchange.method,
        "path": exchange.path[:NAME_LOOKED_AT],
        "status": exchange.status,
    }
    if exchange.model is not None:
        fields["model"], fields["stream"] = exchange.model[:NAME_LOOKED_AT], exchange.stream
    if exchange.origin:
        fields["source"] = exchange.origin[:NAME_LOOKED_AT]
    if exchange.usage is not None:
        fields["prompt_tokens"] = exchange.usage.prompt_tokens
        fields["completion_tokens"] = exchange.usage.completion_tokens
    if exchange.notes:
        fields |= _noted(exchange.notes)
    fields["ms"] = round(exchange.seconds * 1000, 1)
    fields["bytes"] = exchange.size
    fields["end"] = exchange.outcome
    fields["id"] = exchange.id
    if exchange.keep_bodies:
        fields["request"] = _beginning(exchange.request_body)
        if warnings := " ".join([objection.message for objection in exchange.objections()]):
            fields["warnings"] = warnings[:LOOKED_AT]
        fields["response"] = _beginning(_response(exchange))
    return fields


def _response(exchange: Exchange) -> bytes:
    """What was answered, one choice behind the other.

    Log probabilities are left out: they tell it word by word, where no secret would be found.
    """
    body = b"\n".join([b"".join(said) for _, said in sorted(exchange.response_body.items())])
    asked = exchange.asked
    if not body or exchange.open or asked is None or asked.top_logprobs is None:
        return body
    without = json.loads(body, object_hook=_without_logprobs)
    return json.dumps(without, ensure_ascii=False).encode()


def _without_logprobs(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "logprobs"}


def _noted(notes: Sequence[Mapping[str, Fact]]) -> Mapping[str, Any]:
    """The facts that sources told; those of several replies side by side, as `3,5`."""
    names = dict.fromkeys(name for facts in notes for name in facts)
    told = {name: [facts.get(name, "-") for facts in notes] for name in names}
    return {
        name: facts[0] if len(facts) == 1 else ",".join(map(str, facts))
        for name, facts in told.items()
    }


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")


def _beginning(body: bytes) -> str:
    return body[: 4 * LOOKED_AT].decode(errors="replace")[:LOOKED_AT]


def _shortened(fields: Mapping[str, Any], clean: dict[str, Any]) -> dict[str, Any]:
    """The `clean` ones of the fields, none of which is too long."""
    for name, most in _LONG.items():
        if (length := len(fields.get(name, ""))) > most:
            clean[name] = cut.beginning(clean[name], length, most) + "…"
    return clean


def _value(value: object) -> str:
    """A value of the text form: bare where it can be told apart from the next key."""
    if isinstance(value, str):
        return value if _BARE(value) else json.dumps(value, ensure_ascii=not value.isprintable())
    return str(value).lower() if isinstance(value, bool) else str(value)
