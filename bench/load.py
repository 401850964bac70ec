"""The load client: many connections in one thread, each with one request after the other.

Knows no API. It waits with `epoll` and parses next to nothing, so that it stays ahead of
any server that is measured.
"""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from bench.wire import Answer

READ_BYTES = 262144
PATIENCE_SECONDS = 30.0

Arrival = tuple[float, bytes]
"""When something came, as `time.monotonic` has it, and what."""


class LoadError(RuntimeError):
    """A server answered with an error, broke off, or fell silent."""


class Stream(Struct):
    """One answer with the time of each arrival; `asked` is when its request went out."""

    asked: float
    arrivals: list[Arrival]


def load(port: int, request: bytes, connections: int, seconds: float, most: int = 0) -> int:
    """Ask again and again on so many connections; the number of answers within `seconds`.

    It ends after `most` answers at the latest (0: no such limit). The last answer of each
    connection is awaited, so that nothing of it is left for who is measured next.

    Raises:
        LoadError: an answer is no 200, or does not come.
    """
    done = asked = 0
    with _opened(port, connections) as (poll, opened):
        answers = {number: Answer() for number in opened}
        end = time.monotonic() + seconds
        for connection in opened.values():
            connection.sendall(request)
            asked += 1
        while answers:
            ready = poll.poll(PATIENCE_SECONDS)
            if not ready:
                raise LoadError(f"No answer for {PATIENCE_SECONDS:g} s.")
            for number, _ in ready:
                received = opened[number].recv(READ_BYTES)
                answer = answers[number]
                if not answer.feed(received):
                    _check_goes_on(received)
                    continue
                _check_status(answer)
                done += 1
                if time.monotonic() < end and (not most or asked < most):
                    answers[number] = Answer()
                    asked += 1
                    opened[number].sendall(request)
                else:
                    del answers[number]
    return done


def streams(port: int, request: bytes, count: int, seconds: float) -> list[Stream]:
    """Ask once on each of `count` connections, all at once, and time what arrives.

    Raises:
        LoadError: one is not over within `seconds`, or is no 200.
    """
    end = time.monotonic() + seconds
    with _opened(port, count) as (poll, opened):
        under_way: dict[int, tuple[Stream, Answer]] = {}
        for number, connection in opened.items():
            under_way[number] = Stream(time.monotonic(), []), Answer()
            connection.sendall(request)
        found = [stream for stream, _ in under_way.values()]
        while under_way:
            if time.monotonic() > end:
                raise LoadError(f"{len(under_way)} of {count} streams took over {seconds:g} s.")
            for number, _ in poll.poll(1.0):
                stream, answer = under_way[number]
                received = opened[number].recv(READ_BYTES)
                stream.arrivals.append((time.monotonic(), received))
                if answer.feed(received):
                    _check_status(answer)
                    del under_way[number]
                else:
                    _check_goes_on(received)
    return found


@contextmanager
def held(port: int, request: bytes, count: int) -> Iterator[None]:
    """Keep `count` streams open, each with its first bytes come and the rest unread.

    Raises:
        LoadError: one does not begin.
    """
    with _opened(port, count) as (_, opened):
        for connection in opened.values():
            connection.sendall(request)
        for connection in opened.values():
            connection.settimeout(PATIENCE_SECONDS)
            answer = Answer()
            while not answer.status:
                received = connection.recv(READ_BYTES)
                answer.feed(received)
                _check_goes_on(received)
            _check_status(answer)
        yield


@contextmanager
def _opened(port: int, count: int) -> Iterator[tuple[select.epoll, dict[int, socket.socket]]]:
    opened: dict[int, socket.socket] = {}
    with select.epoll() as poll:
        try:
            for _ in range(count):
                connection = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened[connection.fileno()] = connection
                poll.register(connection, select.EPOLLIN)
            yield poll, opened
        finally:
            for connection in opened.values():
                connection.close()


def _check_status(answer: Answer) -> None:
    if answer.status != 200:
        raise LoadError(f"An answer has the status {answer.status}.")


def _check_goes_on(received: bytes) -> None:
    if not received:
        raise LoadError("The server closed the connection before the end of its answer.")
