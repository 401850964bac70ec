"""The shelf: the folder that recordings are put into, one file for each exchange.

Owns the names of the files and how they are written down. Knows nothing of replies.
"""

import hashlib
import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from llm_proxy.files import write_once

log = logging.getLogger(__name__)

FOLDER = "recorded"
"""Name of the folder, in that of all fixtures."""

MAX_SLUG_CHARACTERS = 40

_NOT_ASKED = ("stream", "stream_options")
"""Fields of a request that change how an answer comes, and not what it says."""

Document = Mapping[str, Any]


class Shelf:
    """The recordings of one folder of fixtures.

    The first recording of a request stays: people edit these files. To record a request
    anew, delete its file.
    """

    def __init__(self, fixtures: str) -> None:
        self._folder = Path(fixtures) / FOLDER

    def put(self, name: str, fixture: Document) -> None:
        """Write a recording, unless there is one with this name.

        It is there when this returns: whoever has the answer finds it.
        """
        path = self._folder / f"{name}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            written = write_once(path, (pretty({"fixtures": [fixture]}) + "\n").encode())
        except OSError as error:
            log.error("A recording could not be written to MOCK_FIXTURES: %s", error.strerror)
            return
        if written:
            log.info("Recorded %s", path.name)
        else:
            log.info("Not recorded, as it was before: %s", path.name)


def name_of(text: str, sent: Document, scope: Sequence[str] = ()) -> str:
    """The name of a recording: what was asked, shortened, then a hash of the whole request.

    `sent` is the body of the request, `scope` what else it depends on. Streamed or not, a
    request has one name.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))[:MAX_SLUG_CHARACTERS].strip("-")
    asked = {name: value for name, value in sent.items() if name not in _NOT_ASKED}
    whole = msgspec.json.encode([asked, list(scope)], order="deterministic")
    return f"{slug or 'request'}-{hashlib.sha256(whole).hexdigest()[:12]}"


def pretty(value: Any, margin: str = "") -> str:
    """JSON for people: a line for each field, and lists of numbers on one line."""
    inner = margin + "  "
    match value:
        case Mapping() if value:
            fields = [f"{_json(name)}: {pretty(one, inner)}" for name, one in value.items()]
            return "{\n" + ",\n".join(inner + field for field in fields) + "\n" + margin + "}"
        case list() if any(isinstance(one, dict | list) for one in value):
            items = [inner + pretty(one, inner) for one in value]
            return "[\n" + ",\n".join(items) + "\n" + margin + "]"
        case list():
            return "[" + ", ".join(map(_json, value)) + "]"
        case _:
            return _json(value)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
