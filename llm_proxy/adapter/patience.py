"""Patience: how long one call may take, and how long it may be silent."""

import time

from llm_proxy.adapter import failures
from llm_proxy.adapter.call import Call
from llm_proxy.settings import AdapterSettings


class Patience:
    """The time limits of one call, from now on.

    They are kept here, and not by sockets: a limit on a read begins anew with each byte, and
    one on connecting with each address that a name has.
    """

    def __init__(self, settings: AdapterSettings, call: Call) -> None:
        self._settings = settings
        self._call = call
        self._received_at = time.monotonic()
        self._deadline = self._received_at + settings.total_timeout_seconds

    def received(self) -> None:
        """Something arrived: the silence begins anew."""
        self._received_at = time.monotonic()

    def ends_at(self) -> float:
        """When the first limit is reached, by `time.monotonic()`."""
        return min(self._deadline, self._limit_at())

    def check(self) -> None:
        """See whether a limit has been reached.

        Raises:
            UpstreamTimeout: says which one.
        """
        now = time.monotonic()
        if now >= self._deadline:
            raise failures.slow()
        if now >= self._limit_at():
            connecting = self._call.connecting_since is not None
            raise failures.unconnected() if connecting else failures.silent()

    def _limit_at(self) -> float:
        """The limit on connecting while that lasts, else the one on silence."""
        connecting_since = self._call.connecting_since
        if connecting_since is not None:
            return connecting_since + self._settings.connect_timeout_seconds
        silent_since = max(self._received_at, self._call.progress_at)
        return silent_since + self._settings.idle_timeout_seconds
