"""Patience: how long one call may take, and how long it may be silent."""

import math
import time
from typing import Literal

from msgspec import Struct

from llm_proxy.upstream.call import Call


class Limits(Struct, frozen=True):
    """How long a call may be connecting, be silent, and take in all."""

    connect_seconds: float
    idle_seconds: float
    total_seconds: float = math.inf


class OutOfPatience(Exception):
    """A limit has been reached; `limit` says which one."""

    def __init__(self, limit: Literal["connect", "idle", "total"]) -> None:
        super().__init__(limit)
        self.limit = limit


class Patience:
    """The time limits of one call, from now on.

    They are kept here, and not by sockets: a limit on a read begins anew with each byte, and
    one on connecting with each address that a name has.
    """

    def __init__(self, limits: Limits, call: Call) -> None:
        self._limits = limits
        self._call = call
        self._received_at = time.monotonic()
        self._deadline = self._received_at + limits.total_seconds

    def received(self) -> None:
        """Something arrived: the silence begins anew."""
        self._received_at = time.monotonic()

    def left(self) -> float:
        """The seconds that are left until the first limit.

        Raises:
            OutOfPatience: one has been reached.
        """
        now = time.monotonic()
        if now >= self._deadline:
            raise OutOfPatience("total")
        connecting_since = self._call.connecting_since
        if connecting_since is not None:  # the limit on silence does not count meanwhile
            until = connecting_since + self._limits.connect_seconds
        else:
            silent_since = max(self._received_at, self._call.progress_at)
            until = silent_since + self._limits.idle_seconds
        if now >= until:
            raise OutOfPatience("idle" if connecting_since is None else "connect")
        return min(self._deadline, until) - now
