"""What is counted, from the first exchange on: the meters of this process, made when needed.

Must not import prometheus-client before that. gunicorn with --preload makes the application
before it starts, and only then is it known where its workers are to count.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING

from llm_proxy.exchange import Exchange
from llm_proxy.reply import Fact

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

    def streams(self, exchange: Exchange) -> None:
        try:
            self.meters().streams(exchange)
        except OSError as error:
            _not_counted(exchange, error)

    def noted(self, _: Exchange, facts: Mapping[str, Fact]) -> None:
        pass  # counted when the facts are all there

    def ended(self, exchange: Exchange) -> None:
        try:
            self.meters().ended(exchange)
        except OSError as error:
            _not_counted(exchange, error)

    def exposed(self, accepted: str) -> tuple[bytes, str]:
        """As `Meters.exposed`."""
        return self.meters().exposed(accepted)

    def meters(self) -> "Meters":
        """The meters; two of them in one process would overwrite what each other counts."""
        if self._meters is None:
            with self._lock:
                if self._meters is None:
                    from llm_proxy.metrics.meters import Meters

                    self._meters = Meters(self._models, self._redacted)
        return self._meters


def _not_counted(exchange: Exchange, error: OSError) -> None:
    """Tell it and go on: a full disk must not take the answer away from the client."""
    log.warning("The metrics could not count %s: %s", exchange.id, error)
