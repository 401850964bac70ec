"""A call that reads ahead: its thread takes the body as it comes, however slow the caller is."""

import time
from collections import deque
from collections.abc import Callable

import requests

from llm_proxy.upstream.body import READ_BYTES
from llm_proxy.upstream.call import TURN_SECONDS, Call
from llm_proxy.work.turns import pass_on

MAX_HELD_BYTES = 4 * READ_BYTES
"""What may have arrived and not been received; beyond it the upstream has to wait."""


class CallAhead(Call):
    """A call for whoever wants to know when each piece of the body has arrived."""

    def __init__(self, ask: Callable[[Call], requests.Response]) -> None:
        super().__init__(ask)
        self._arrived: deque[tuple[bytes, float]] = deque()
        self._held_bytes = 0
        self._broke_off: Exception | None = None
        self.arrived_at = self.progress_at
        """When the piece that was received last had arrived, by `time.monotonic()`."""

    def receive(self, seconds: float) -> bytes | None:
        pass_on()
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or self._broke_off, seconds)
            if self._arrived:
                piece, self.arrived_at = self._arrived.popleft()
                self._held_bytes -= len(piece)
                self._changed.notify_all()
                return piece
            if self._broke_off is not None:  # asked later, it may have come behind a piece
                raise self._broke_off
        return None

    def give_up(self) -> None:
        self._unwanted()  # the thread itself lets the body go

    def run(self) -> None:
        super().run()
        try:
            piece: bytes | None = None
            while piece != b"" and not self._given_up:
                piece = super().receive(TURN_SECONDS)
                if piece is not None:
                    self._keep(piece)
        except Exception as error:
            self._break_off(error)
        finally:
            super().give_up()

    def _keep(self, piece: bytes) -> None:
        with self._changed:
            self._arrived.append((piece, time.monotonic()))
            self._held_bytes += len(piece)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._held_bytes < MAX_HELD_BYTES or self._given_up)

    def _break_off(self, error: Exception) -> None:
        with self._changed:
            self._broke_off = error
            self._changed.notify_all()
