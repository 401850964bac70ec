"""The log: what there is to tell beside the lines of requests, and what must not stand in it.

Secrets are taken out of every line as the last step, so that no caller has to think of them.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TextIO

from llm_proxy.settings import ServerSettings

log = logging.getLogger(__name__)

# What stands before such a name is not looked at: that took time that grew with the square of
# a long word's length, as in base64.
_NAMED = r"(?i)((?:api|access|secret|private)[-_]?key|authorization|cookie|password|secret|token)"
_ESCAPED = r"""\\+(?:["']|u002[27])"""
"""A quote inside a JSON string, in either form that encoders give it."""

_BEGINS = r"(?:\b|(?<=\\[bfnrt])|(?<=\\u00[0-9A-Fa-f]{2}))"
"""Where a word begins, also behind a sign that JSON escapes and that ends in a letter then."""

_PATTERNS = (
    # name: "value", the value with whatever it escapes
    (re.compile(_NAMED + r"""(["']?\s*[:=]\s*)"(?:[^"\\]|\\.)*"?"""), r'\1\2"***"'),
    # the same inside a JSON string, where quotes are escaped: up to the next that is as often
    (
        re.compile(rf"{_NAMED}({_ESCAPED}\s*[:=]\s*)({_ESCAPED}).*?(?:(?<!\\)\3|(?m:$))"),
        r"\1\2\3***\3",
    ),
    # name: value and name=value, as in headers and shells
    (
        re.compile(
            rf"""{_NAMED}((?:{_ESCAPED}|\\*["']?)\s*[:=]\s*)(?:(?:bearer|basic) +)?[^\s"'\\;&}}]+"""
        ),
        r"\1\2***",
    ),
    (re.compile(rf"(?i){_BEGINS}(bearer|basic) +[\w.~+/=-]+"), r"\1 ***"),
    (re.compile(rf"{_BEGINS}(sk-)[\w-]{{8,}}"), r"\1***"),
)

_NAMES = ("key", "authorization", "cookie", "password", "secret", "token")
"""The end of every name in the patterns."""

_SAYS = re.compile(r"""(?:[\s"'\\]|(?<=\\)(?:[nrtf]|u00[0-2][0-9a-f]))*[:=]""")
"""What stands between a name and the secret that it names, in each of the patterns, and more: one
way only to read each letter, lest many backslashes take time that grows with their square.

Also as it may stand in JSON, so that what is not found there is not found in what it decodes to.
"""

_MAX_CLEARED = 256
_MAX_CLEARED_CHARACTERS = 4 * 1024


def configure(settings: ServerSettings, redacted: Callable[[str], str]) -> None:
    """Send the log of this package to standard error, in the form that `settings` ask for.

    `redacted` takes secrets out of a text.
    """
    formatter = {"text": TextFormatter, "json": JsonFormatter}[settings.log_format]
    handler = _StandardError()
    handler.setFormatter(formatter(redacted))
    package = logging.getLogger("llm_proxy")
    package.handlers[:] = [handler]
    package.setLevel(settings.log_level.upper())
    package.propagate = False


class Redactor:
    """Replaces known secrets, and what looks like one, by `***`.

    `further` tells of the secrets that may change; it is asked for each text.
    """

    def __init__(
        self, secrets: Sequence[str], further: Callable[[], Collection[str]] = tuple
    ) -> None:
        self._secrets = secrets
        self._further = further
        self._known = _Known(secrets, ())

    def __call__(self, text: str) -> str:
        known = self._known_by_now()
        if known.stand_in(text):
            text = known.pattern.sub("***", text)
        if _may_hold_a_secret(text):
            for pattern, replacement in _PATTERNS:
                text = pattern.sub(replacement, text)
        return text

    def clears(self, text: str, *, again: bool = False) -> bool:
        """Whether nothing would be replaced in `text`, nor in any part of it alone.

        Asked of many texts joined by line breaks it saves to ask of each. Where it is in
        doubt, it says no. With `again` the answer is kept, if the text is not too long for that,
        as long as the secrets are the same.
        """
        known = self._known_by_now()
        if again and (cleared := known.cleared.get(text)) is not None:
            return cleared
        cleared = not (known.stand_in(text) or _may_hold_a_secret(text))
        if again and len(text) <= _MAX_CLEARED_CHARACTERS:
            if len(known.cleared) >= _MAX_CLEARED:
                known.cleared.clear()
            known.cleared[text] = cleared
        return cleared

    def _known_by_now(self) -> "_Known":
        known, further = self._known, self._further()
        if known.further != further:
            known = self._known = _Known(self._secrets, further)
        return known


class _Known:
    """Secrets in all the forms in which they are written."""

    def __init__(self, secrets: Iterable[str], further: Collection[str]) -> None:
        self.further = further
        self.cleared: dict[str, bool] = {}
        forms = {form for secret in (*secrets, *further) for form in _written_forms(secret)}
        # The longest first, as one form may begin with another.
        self.forms = sorted(forms, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, self.forms)) or r"(?!)")

    def stand_in(self, text: str) -> bool:
        return any(form in text for form in self.forms) if self.forms else False


def _may_hold_a_secret(text: str) -> bool:
    """Whether one of the patterns can match: most texts are cleared in a hundredth of the time."""
    lowered = text.casefold().replace("tokens", "s")  # often met, and no name of a secret
    if "sk-" in lowered or "bearer " in lowered or "basic " in lowered:
        return True
    for name in _NAMES:
        at = lowered.find(name)
        while at >= 0:
            at += len(name)
            if _SAYS.match(lowered, at):
                return True
            at = lowered.find(name, at)
    return False


def _written_forms(secret: str) -> Iterator[str]:
    """The secret as it stands in text, in JSON, and in JSON text that is a string in JSON."""
    yield secret
    for ascii_only in (True, False):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]


class TextFormatter(logging.Formatter):
    """`time LEVEL message`, on one line but for tracebacks."""

    def __init__(self, redacted: Callable[[str], str]) -> None:
        super().__init__()
        self._redacted = redacted

    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname} {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return self._redacted(line)


class JsonFormatter(logging.Formatter):
    """One JSON object on a line."""

    def __init__(self, redacted: Callable[[str], str]) -> None:
        super().__init__()
        self._redacted = redacted

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: self._redacted(value) for name, value in entry.items()})


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment, as it may be replaced after the start."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
