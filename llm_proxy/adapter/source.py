"""The source of the adapter's replies: the legacy API's words and citations as events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing

from msgspec.structs import replace

from llm_proxy.adapter.account import Account
from llm_proxy.adapter.citations import citation_block
from llm_proxy.adapter.dialects import dialect_of, words_of
from llm_proxy.adapter.dialects.meaning import Citation, Dialect, End, Other, Word, Words
from llm_proxy.adapter.question import question
from llm_proxy.adapter.sessions import session_params
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import (
    ASIDES,
    IDLE,
    Annotations,
    Events,
    Finish,
    Noted,
    TextDelta,
    TextRun,
)
from llm_proxy.settings import AdapterSettings

TRACED = ("traceparent", "tracestate")
"""The headers that make the upstream's work a part of the client's trace (W3C, Trace Context)."""


class LegacySource:
    """Asks the legacy API, once for each request."""

    def __init__(self, settings: AdapterSettings, upstream: Upstream) -> None:
        self._settings = settings
        self._upstream = upstream
        self._understand = dialect_of(settings.dialect)
        self._words = words_of(settings.dialect)

    def reply(self, request: ChatRequest) -> Events:
        """Words as they arrive, then the citations as a block of their own, then `stop`.

        A search has one answer: each choice that is asked for is the same.

        Raises:
            InvalidRequest: the conversation asks nothing; the legacy API is not called.
            UpstreamError: the legacy API failed, before or amid the answer.
        """
        events = self._answer(
            question(request),
            session_params(request, self._settings),
            request.headers.get("authorization"),
            {name: request.headers[name] for name in TRACED if name in request.headers},
        )
        if request.n == 1:
            yield from events
            return
        with closing(events):
            for event in events:
                if isinstance(event, ASIDES):
                    yield event
                else:
                    yield from (replace(event, choice=choice) for choice in range(request.n))

    def _answer(
        self,
        query: str,
        params: Mapping[str, str],
        authorization: str | None,
        fields: Mapping[str, str],
    ) -> Events:
        account = Account(self._settings.model)
        yield Noted(account.facts)
        asked = self._upstream.payloads(
            query, account, params=params, authorization=authorization, fields=fields
        )
        answer = _Answer(self._settings.word_separator, self._understand, self._words, account)
        with closing(asked) as payloads:
            for batch in payloads:
                if batch is None:
                    yield IDLE
                elif pieces := answer.told(batch):
                    yield TextRun(tuple(pieces)) if len(pieces) > 1 else TextDelta(pieces[0])
                if answer.complete:
                    break
        if answer.citations:
            block = citation_block(answer.citations.values(), self._settings.citation_url)
            yield TextDelta(block if answer.said else block.lstrip())
            yield Annotations(tuple(answer.citations))
        yield Finish()


class _Answer:
    """What one answer has said so far.

    `citations` are by their ids, `said` is the last piece of text, and `complete` tells that
    the upstream has said that this was all.
    """

    def __init__(
        self, separator: str, understand: Dialect, words: Words | None, account: Account
    ) -> None:
        self._separator = separator
        self._understand = understand
        self._words = words
        self._account = account
        self.citations: dict[str, Citation] = {}
        self.said = ""
        self.complete = False

    def told(self, payloads: Sequence[str]) -> list[str]:
        """The pieces of text among payloads that came together; all that they say is counted."""
        words = self._words(payloads) if self._words else None
        if pieces := self._separated(self._texts(payloads) if words is None else words):
            self._account.words(len(pieces))
        return pieces

    def _texts(self, payloads: Sequence[str]) -> Iterator[str]:
        for payload in payloads:
            for meaning in self._understand(payload):
                match meaning:
                    case Word(text):
                        yield text
                    case Citation(document):
                        self._account.citation()
                        if document.strip():
                            self.citations.setdefault(document, meaning)
                    case Other():
                        self._account.unknown()
                    case End():
                        self._account.end_mark()
                        self.complete = True
                        return

    def _separated(self, texts: Iterable[str]) -> list[str]:
        """The texts that are not empty, each with what has to stand between it and the last."""
        pieces = []
        said, separator = self.said, self._separator
        for text in filter(None, texts):
            apart = not said or said[-1].isspace() or text[0].isspace()
            pieces.append(text if apart else separator + text)
            said = text
        self.said = said
        return pieces
