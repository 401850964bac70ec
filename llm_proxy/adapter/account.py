"""The account: what became of one question put to the legacy API, for the log.

Filled in while the answer is read; whoever holds `facts` sees it grow. Knows no log.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from llm_proxy.core.reply import Fact
from llm_proxy.errors import ProxyError


class Account:
    """The facts of one question, from the moment it is put.

    `upstream_model` is the model that stands for the upstream, `upstream_status` the HTTP status
    of its answer, `upstream_first_ms` the time to the first word, `upstream_words` and
    `upstream_citations` what came, `upstream_unknown` the events that said neither, if there
    were any, `upstream_cause` what broke at the bottom of a failure. `upstream_end` is `done`,
    the code of an error, or `left` where nobody wanted the rest: the client went away, or had
    enough.
    """

    def __init__(self, model: str = "") -> None:
        self._began = time.monotonic()
        self._complete = False
        self.facts: dict[str, Fact] = {"upstream_words": 0, "upstream_citations": 0}
        if model:
            self.facts["upstream_model"] = model

    def answered(self, status: int) -> None:
        self.facts["upstream_status"] = status

    def broke(self, cause: str) -> None:
        self.facts["upstream_cause"] = cause

    def words(self, number: int) -> None:
        if not self.facts["upstream_words"]:
            since = time.monotonic() - self._began
            self.facts["upstream_first_ms"] = round(since * 1000, 1)
        self._more("upstream_words", number)

    def end_mark(self) -> None:
        """The upstream has said that this was all: what is left of the body is not wanted."""
        self._complete = True

    def citation(self) -> None:
        self._more("upstream_citations")

    def unknown(self) -> None:
        self.facts.setdefault("upstream_unknown", 0)
        self._more("upstream_unknown")

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Tell how what is done within it ended."""
        how = "left"
        try:
            yield
            how = "done"
        except ProxyError as error:
            how = error.code or error.type
            raise
        finally:
            self.facts["upstream_end"] = "done" if self._complete else how

    def _more(self, counter: str, number: int = 1) -> None:
        count = self.facts[counter]
        assert isinstance(count, int)
        self.facts[counter] = count + number
