"""The source of the adapter's replies: the legacy API's words and citations as events."""

from collections.abc import Iterator, Mapping
from contextlib import closing

from msgspec.structs import replace

from llm_proxy.adapter.account import Account
from llm_proxy.adapter.citations import citation_block
from llm_proxy.adapter.dialects import dialect_of
from llm_proxy.adapter.dialects.meaning import Citation, End, Meaning, Other, Word
from llm_proxy.adapter.question import question
from llm_proxy.adapter.reading import Payloads
from llm_proxy.adapter.sessions import session_params
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.reply import (
    ASIDES,
    IDLE,
    Annotations,
    ChatRequest,
    Events,
    Finish,
    Noted,
    TextDelta,
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
        settings = self._settings
        citations: dict[str, Citation] = {}
        said = ""
        account = Account(settings.model)
        yield Noted(account.facts)
        asked = self._upstream.payloads(
            query, account, params=params, authorization=authorization, fields=fields
        )
        with closing(asked) as payloads:
            for meaning in self._meanings(payloads, account):
                match meaning:
                    case None:
                        yield IDLE
                    case Word(text) if text:
                        separated = said and not (said[-1].isspace() or text[0].isspace())
                        said = text
                        yield TextDelta(settings.word_separator + text if separated else text)
                    case Citation(document) if document.strip():
                        citations.setdefault(document, meaning)
                    case End():
                        account.end_mark()
                        break
        if citations:
            block = citation_block(citations.values(), settings.citation_url)
            yield TextDelta(block if said else block.lstrip())
            yield Annotations(tuple(citations))
        yield Finish()

    def _meanings(self, payloads: Payloads, account: Account) -> Iterator[Meaning | None]:
        """What the payloads say, counted; `None` for each turn of the caller."""
        for payload in payloads:
            if payload is None:
                yield None
                continue
            for meaning in self._understand(payload):
                match meaning:
                    case Word(text) if text:
                        account.word()
                    case Citation():
                        account.citation()
                    case Other():
                        account.unknown()
                yield meaning
