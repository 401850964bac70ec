"""The upstream: puts questions to the legacy API and yields the payloads of its answers.

Owns the order of things around one question: its turn, its login, its limits, its end. Must
not know what a payload means.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

import requests
from msgspec import Struct

from llm_proxy.adapter import failures, reading
from llm_proxy.adapter.account import Account
from llm_proxy.adapter.breaker import Attempt, Breaker
from llm_proxy.adapter.call import Call
from llm_proxy.adapter.connections import session
from llm_proxy.adapter.gate import Gate
from llm_proxy.adapter.login import Login, Ticket, refused
from llm_proxy.adapter.patience import Patience
from llm_proxy.adapter.question import search_url
from llm_proxy.adapter.reading import Payloads, payloads
from llm_proxy.settings import AdapterSettings

EVENTS = "text/event-stream"
JSON = "application/json"

NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class _Asked(Struct, frozen=True, kw_only=True):
    """What is sent, and the media type of what is wanted back."""

    method: str = "GET"
    url: str
    fields: Mapping[str, str] = NO_PARAMS
    body: bytes | None = None
    wanted: str = EVENTS


class Upstream:
    """The legacy API at one URL; shared by all threads of a process."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._settings = settings
        self._session = session(settings.ca_file)
        self._login = Login(settings, self._send)
        self._gate = Gate(settings.max_calls, settings.queue_timeout_seconds)
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_seconds)

    def payloads(
        self,
        query: str,
        account: Account | None = None,
        *,
        params: Mapping[str, str] = NO_PARAMS,
        authorization: str | None = None,
    ) -> Payloads:
        """Yield the payload of each event the moment it is there, and `None` now and then.

        The end of the body is the end of the answer. What became of it is put down in
        `account`. `params` are set in the query string. `authorization` is what the client
        itself came with; it is sent only where STREAM_FORWARD_AUTHORIZATION says so.

        Raises:
            UpstreamError: the legacy API cannot be reached, answers with an error or with
                something that is no event stream, or breaks off.
            UpstreamTimeout: it takes longer than one of its time limits.
            UpstreamBusy, UpstreamDown: it is not asked, now.
        """
        settings = self._settings
        account = account or Account()
        url = search_url(
            settings.url, settings.query_param, query, settings.max_query_bytes, params
        )
        with account.ending():
            self._breaker.check()
            yield from self._gate.enter()
            try:
                with self._called(_Asked(url=url), account, authorization) as (call, patience):
                    yield from payloads(call, patience, settings.max_event_bytes, settings.dialect)
            finally:
                self._gate.leave()

    def posted(self, url: str, document: bytes, authorization: str | None = None) -> bytes:
        """The JSON document that the legacy API answers to one that is posted to `url`.

        Raises:
            UpstreamError: it cannot be reached, or answers with an error or with something
                that is no JSON.
            UpstreamTimeout: it takes longer than one of its time limits.
            UpstreamBusy, UpstreamDown: it is not asked, now.
        """
        fields = {"Accept": JSON, "Content-Type": JSON}
        asked = _Asked(method="POST", url=url, fields=fields, body=document, wanted=JSON)
        self._breaker.check()
        for _ in self._gate.enter():
            pass
        try:
            with self._called(asked, Account(), authorization) as (call, patience):
                return reading.document(call, patience, self._settings.max_event_bytes)
        finally:
            self._gate.leave()

    @contextmanager
    def _called(
        self, asked: _Asked, account: Account, authorization: str | None
    ) -> Iterator[tuple[Call, Patience]]:
        """A call that is under way, and given up at the end of the context."""
        with self._breaker.attempt() as attempt, failures.translated(account):
            call = Call(partial(self._ask, asked, account, attempt, authorization))
            patience = Patience(self._settings, call)
            call.start()
            try:
                yield call, patience
            finally:
                call.give_up()

    def _ask(
        self,
        asked: _Asked,
        account: Account,
        attempt: Attempt,
        authorization: str | None,
        call: Call,
    ) -> requests.Response:
        """The answer, of the media type that is wanted; in the thread of the call."""

        def sent(ticket: Ticket) -> requests.Response:
            fields = {**ticket.fields, **asked.fields}
            return self._send(call, asked.method, asked.url, fields, asked.body)

        if self._settings.forward_authorization:
            response = sent(self._login.of_client(authorization))
        else:
            ticket = self._login.ticket(call)
            response = sent(ticket)
            if refused(response) and (other := self._login.renewed(ticket, call)) is not ticket:
                response.close()
                response = sent(other)
        account.answered(response.status_code)
        attempt.answered(response.status_code)
        try:
            failures.check_answer(response, asked.wanted, self._credentials())
        except BaseException:
            response.close()
            raise
        return response

    def _send(
        self,
        call: Call,
        method: str,
        url: str,
        fields: Mapping[str, str],
        body: bytes | None = None,
    ) -> requests.Response:
        """The head of the answer to a request; its body is the caller's to read and to close."""
        settings = self._settings
        send = partial(
            self._session.request,
            method,
            url,
            headers=dict(fields),
            data=body,
            stream=True,
            allow_redirects=False,
            timeout=(settings.connect_timeout_seconds, settings.idle_timeout_seconds),
        )
        call.fresh = False
        try:
            response = send()
        except requests.ConnectionError as error:
            # A kept connection may be closed by the other side just as it is used again,
            # before it saw the question: a new one then gets a fair try.
            stale = isinstance(failures.bottom(error), ConnectionResetError | BrokenPipeError)
            call.check()
            if call.fresh or not stale:
                raise
            response = send()
        call.progressed()
        return response

    def _credentials(self) -> str:
        """The name of what opens the legacy API, for whoever has to look after it."""
        if self._settings.forward_authorization:
            return "those that the client sends"
        if self._settings.login_url:
            return "STREAM_LOGIN_URL and what belongs to it"
        return "STREAM_BEARER_TOKEN, STREAM_COOKIE"
