"""API keys: those that are accepted at this moment.

Some are given at the start, others stand in a file that may change while the server runs.
Knows nothing of requests.
"""

import hmac
import logging
from collections.abc import Sequence
from pathlib import Path

from llm_proxy.settings import rules

log = logging.getLogger(__name__)


class Keys:
    """`fixed` keys, and those in the file at `path`, if there is one.

    While the file cannot be read, or holds what is no key, those that it held before remain:
    an editor that writes it in two steps locks nobody out, and nobody in.
    """

    def __init__(self, fixed: Sequence[str], path: str = "") -> None:
        self._fixed = _encoded(fixed)
        self._path = path
        self._filed: tuple[bytes, ...] = ()
        self._ever_filed: frozenset[str] = frozenset()
        self._seen: object = None

    def hold(self, given: str) -> bool:
        """Whether `given` is one of the keys.

        Every key is compared, whichever fits: the time taken tells nothing.
        """
        self._look()
        asked = given.encode()
        fits = [hmac.compare_digest(asked, key) for key in (*self._fixed, *self._filed)]
        return any(fits)

    def ever_filed(self) -> frozenset[str]:
        """All keys that the file has held so far: one that was taken out may still open others."""
        self._look()
        return self._ever_filed

    def _look(self) -> None:
        """Read the file again if it has changed."""
        if not self._path:
            return
        try:
            found = Path(self._path).stat()
            state: object = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError as error:
            state = error.strerror
        if state != self._seen:
            try:
                held = rules.keys_in(self._path)
                self._filed = _encoded(held)
                self._ever_filed |= frozenset(held)
            except ValueError as error:
                log.warning("LLM_PROXY_API_KEYS_FILE: %s; the keys that it held remain", error)
            self._seen = state  # only now, lest another thread take the old keys for these


def _encoded(keys: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(key.encode() for key in keys)
