"""What is counted, from the first exchange on: the meters of this process, made when needed.

What there is to count waits until some of it can be counted together. Must not import
prometheus-client before that: gunicorn with --preload makes the application before it starts,
and only then is it known where its workers are to count.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING

from llm_proxy.core.reply import Fact
from llm_proxy.metrics.ended import Ended, ended
from llm_proxy.metrics.labels import route
from llm_proxy.records.exchange import Exchange
from llm_proxy.work.behind import Behind

if TYPE_CHECKING:
    from llm_proxy.metrics.meters import Meters

log = logging.getLogger(__name__)


class Counted:
    """Counts every exchange that is over, and the streams that are open.

    `models` are ids that are to be told apart in any case; of others, the first ones are.
    """

    def __init__(self, models: Iterable[str], redacted: Callable[[str], str]) -> None:
        self._models = tuple(models)
        self._redacted = redacted
        self._meters: Meters | None = None
        self._lock = Lock()
        self._behind: Behind[Ended | str] = Behind(self._count)

    def streams(self, exchange: Exchange) -> None:
        self._put(route(exchange))

    def noted(self, _: Exchange, facts: Mapping[str, Fact]) -> None:
        pass  # counted when the facts are all there

    def ended(self, exchange: Exchange) -> None:
        self._put(ended(exchange))

    def exposed(self, accepted: str) -> tuple[bytes, str]:
        """As `Meters.exposed`; with all that this process has to count by now."""
        self._behind.settle()
        return self.meters().exposed(accepted)

    def meters(self) -> "Meters":
        """The meters; two of them in one process would overwrite what each other counts."""
        if self._meters is None:
            with self._lock:
                if self._meters is None:
                    from llm_proxy.metrics.meters import Meters

                    self._meters = Meters(self._models, self._redacted)
        return self._meters

    def _put(self, one: Ended | str) -> None:
        """Have an exchange counted that is over, or the route of a stream that is open."""
        if not self._behind.put(one):  # so many wait that nothing is won by waiting with them
            self._count([one], 0)

    def _count(self, some: Sequence[Ended | str], _: int) -> None:
        try:
            meters = self.meters()
            meters.streams([one for one in some if isinstance(one, str)])
            meters.ended([one for one in some if not isinstance(one, str)])
        except OSError as error:
            # A full disk must not keep the others from being counted when it is full no more.
            log.warning("The metrics could not count %d exchanges: %s", len(some), error)
