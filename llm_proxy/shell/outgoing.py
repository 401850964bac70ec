"""What the server is told to answer: a status, headers and a body, as WSGI has them (PEP 3333)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from wsgiref.types import StartResponse

from llm_proxy.records.exchange import Exchange
from llm_proxy.shell.pieces import AnswerInPieces

STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass
class Outgoing:
    """An answer on its way: one document, or pieces that are made while they are sent."""

    body: bytes | AnswerInPieces
    media_type: str
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)

    def start(self, start_response: StartResponse, exchange: Exchange) -> Iterable[bytes]:
        """Hand the head over to the server; what it is to iterate, and to close."""
        headers = [("Content-Type", self.media_type), *self.headers]
        body: Iterable[bytes]
        if isinstance(self.body, AnswerInPieces):
            body = self.body
        else:
            body = _Document(self.body, exchange)
            headers.append(("Content-Length", str(len(self.body))))
        start_response(STATUS_LINES.get(self.status, f"{self.status} Unknown"), headers)
        return body


class _Document:
    """A body that is sent at once. The server closes it when it has done so."""

    def __init__(self, document: bytes, exchange: Exchange) -> None:
        self._document = document
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return iter((self._document,))

    def close(self) -> None:
        self._exchange.end()
