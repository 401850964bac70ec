"""The upstream: puts questions to the legacy API and yields the payloads of its answers.

Owns the order of things around one question: its turn, its login, its limits, its end. Must
not know what a payload means.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

import requests
from msgspec import Struct

from llm_proxy.adapter import failures
from llm_proxy.adapter.account import Account
from llm_proxy.adapter.breaker import Attempt, Breaker
from llm_proxy.adapter.gate import Gate
from llm_proxy.adapter.login import Login, Ticket, refused
from llm_proxy.adapter.question import search_url
from llm_proxy.adapter.reading import Payloads, payloads, whole
from llm_proxy.settings import AdapterSettings
from llm_proxy.upstream.call import Call
from llm_proxy.upstream.causes import bottom
from llm_proxy.upstream.connections import session
from llm_proxy.upstream.patience import Limits, Patience
from llm_proxy.work.threads import Threads

JSON = "application/json"

NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Question(Struct, frozen=True):
    """One request that is put to the legacy API, and the media type of an answer to it."""

    method: str
    url: str
    document: bytes | None = None
    accepted: str = "text/event-stream"
    fields: Mapping[str, str] = NO_PARAMS


class Upstream:
    """The legacy API at one URL; shared by all threads of a process."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._settings = settings
        self._limits = Limits(
            settings.connect_timeout_seconds,
            settings.idle_timeout_seconds,
            settings.total_timeout_seconds,
        )
        self._session = session(settings.ca_file)
        self._session.headers["Cache-Control"] = "no-store"
        self.threads = Threads("upstream-call")
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
        fields: Mapping[str, str] = NO_PARAMS,
    ) -> Payloads:
        """Yield the payloads of all events that are there, at once, and `None` now and then.

        The end of the body is the end of the answer. What became of it is put down in
        `account`. `params` are set in the query string. `authorization` is what the client
        itself came with; it is sent only where STREAM_FORWARD_AUTHORIZATION says so. `fields` are
        further headers.

        Raises:
            UpstreamError: the legacy API cannot be reached, answers with an error or with
                something that is no event stream, or breaks off.
            UpstreamTimeout: it takes longer than one of its time limits.
            UpstreamBusy, UpstreamDown: it is not asked, now.
        """
        settings = self._settings
        account = account or Account()
        with account.ending():
            self._breaker.check()
            yield from self._gate.enter()
            try:
                with self._breaker.attempt() as attempt, failures.translated(account):
                    url = search_url(
                        settings.url, settings.query_param, query, settings.max_query_bytes, params
                    )
                    ask = partial(
                        self._ask,
                        Question("GET", url, fields=fields),
                        authorization,
                        account,
                        attempt,
                    )
                    with self._called(ask) as (call, patience):
                        yield from payloads(
                            call, patience, settings.max_event_bytes, settings.dialect
                        )
            finally:
                self._gate.leave()

    def posted(
        self,
        url: str,
        document: bytes,
        account: Account | None = None,
        *,
        authorization: str | None = None,
    ) -> bytes:
        """The JSON document that the legacy API answers to one that is posted to `url`.

        What became of it is put down in `account`.

        Raises:
            UpstreamError: it cannot be reached, or answers with an error or with something
                that is no JSON.
            UpstreamTimeout: it takes longer than one of its time limits.
            UpstreamBusy, UpstreamDown: it is not asked, now.
        """
        account = account or Account()
        question = Question("POST", url, document, accepted=JSON)
        with account.ending():
            self._breaker.check()
            for _ in self._gate.enter():
                pass
            try:
                with self._breaker.attempt() as attempt, failures.translated(account):
                    ask = partial(self._ask, question, authorization, account, attempt)
                    with self._called(ask) as (call, patience):
                        answer = whole(call, patience, self._settings.max_event_bytes)
                    failures.check_json(answer)
                    return answer
            finally:
                self._gate.leave()

    @contextmanager
    def _called(self, ask: Callable[[Call], requests.Response]) -> Iterator[tuple[Call, Patience]]:
        call = Call(ask)
        patience = Patience(self._limits, call)
        self.threads.run(call.run)
        try:
            yield call, patience
        finally:
            call.give_up()

    def _ask(
        self,
        question: Question,
        authorization: str | None,
        account: Account,
        attempt: Attempt,
        call: Call,
    ) -> requests.Response:
        """The answer, of the media type that is accepted; in the thread of the call."""
        if self._settings.forward_authorization:
            response = self._put(question, self._login.of_client(authorization), call)
        else:
            ticket = self._login.ticket(call)
            response = self._put(question, ticket, call)
            if self._settings.login_url and refused(response):
                response.close()  # first: the login may fail
                response = self._put(question, self._login.renewed(ticket, call), call)
        account.answered(response.status_code)
        attempt.answered(response.status_code)
        try:
            failures.check_answer(response, question.accepted, self._credentials())
        except BaseException:
            response.close()
            raise
        return response

    def _put(self, question: Question, ticket: Ticket, call: Call) -> requests.Response:
        fields = {"Accept": question.accepted, **question.fields, **ticket.fields}
        if question.document is not None:
            fields["Content-Type"] = JSON
        return self._send(call, question.method, question.url, fields, question.document)

    def _send(
        self,
        call: Call,
        method: str,
        url: str,
        fields: Mapping[str, str],
        body: bytes | None = None,
    ) -> requests.Response:
        """The head of the answer to a request; its body is the caller's to read and to close."""
        # What a session adds to a request beyond its headers is nothing here, but takes as long
        # to find out as all the rest.
        request = requests.PreparedRequest()
        request.prepare(method, url, headers={**self._session.headers, **fields}, data=body)
        send = partial(
            self._session.send,
            request,
            stream=True,
            allow_redirects=False,
            timeout=(self._limits.connect_seconds, None),  # on silence the call is given up
            verify=self._session.verify,
            proxies={},
        )
        call.fresh = False
        try:
            response = send()
        except requests.ConnectionError as error:
            # A kept connection may be closed by the other side just as it is used again,
            # before it saw the question: a new one then gets a fair try.
            stale = isinstance(bottom(error), ConnectionResetError | BrokenPipeError)
            call.check()
            if call.fresh or not stale or method != "GET":
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
