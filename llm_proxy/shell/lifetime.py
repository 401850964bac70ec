"""Whether this process is about to stop, so that answers without an end can have one."""

from collections.abc import Callable


class _Here:
    """How this process finds out, where its server lets it."""

    stopping: Callable[[], bool] = staticmethod(lambda: False)


def watch(stopping: Callable[[], bool]) -> None:
    """Be told how to find out, by whoever runs this process."""
    _Here.stopping = staticmethod(stopping)


def is_stopping() -> bool:
    """Whether no new requests are taken, and those that run are waited for."""
    return _Here.stopping()
