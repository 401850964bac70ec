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
from urllib.parse import quote

from llm_proxy.records.secret_patterns import may_hold_a_secret, without_secrets
from llm_proxy.settings import ServerSettings

log = logging.getLogger(__name__)

_OF_SERVERS = ("gunicorn.error", "werkzeug")
"""The loggers of the servers, which tell header lines that are wrong, and URLs."""

_PERCENT = re.compile("%[0-9A-F]{2}")

_MAX_CLEARED = 256
_MAX_CLEARED_CHARACTERS = 4 * 1024


def configure(settings: ServerSettings, redacted: Callable[[str], str]) -> None:
    """Send the log of this package to standard error, in the form that `settings` ask for.

    `redacted` takes secrets out of a text, also out of what the servers tell in their own logs.
    """
    formatter = {"text": TextFormatter, "json": JsonFormatter}[settings.log_format]
    handler = _StandardError()
    handler.setFormatter(formatter(redacted))
    package = logging.getLogger("llm_proxy")
    package.handlers[:] = [handler]
    package.setLevel(settings.log_level.upper())
    package.propagate = False
    for name in _OF_SERVERS:
        others = logging.getLogger(name)
        others.filters[:] = [one for one in others.filters if not isinstance(one, _Cleaned)]
        others.addFilter(_Cleaned(redacted))


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
        return without_secrets(text)

    def clears(self, text: str, *, again: bool = False) -> bool:
        """Whether nothing would be replaced in `text`, nor in any part of it alone.

        Asked of many texts joined by line breaks it saves to ask of each. Where it is in
        doubt, it says no. With `again` the answer is kept, if the text is not too long for that,
        as long as the secrets are the same.
        """
        known = self._known_by_now()
        if again and (cleared := known.cleared.get(text)) is not None:
            return cleared
        cleared = not (known.stand_in(text) or may_hold_a_secret(text))
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


def _written_forms(secret: str) -> Iterator[str]:
    """The secret as it stands in text, in URLs, in JSON, and in JSON that is a string in JSON."""
    yield secret
    for safe in ("", "/", "=", "/="):
        encoded = quote(secret, safe)
        yield encoded
        yield _PERCENT.sub(lambda digits: digits[0].lower(), encoded)
    for ascii_only in (True, False):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield once.replace("/", "\\/")  # as PHP does
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


class _Cleaned(logging.Filter):
    """Lets every record pass, without its secrets."""

    def __init__(self, redacted: Callable[[str], str]) -> None:
        super().__init__()
        self._redacted = redacted

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redacted(record.getMessage()), ()
        return True


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment, as it may be replaced after the start."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
