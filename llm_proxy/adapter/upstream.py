"""The upstream: puts questions to the legacy API and yields the payloads of its answers.

Owns the order of things around one question: its turn, its login, its limits, its end. Must
not know what a payload means.
"""

from collections.abc import Mapping
from contextlib import closing
from functools import partial

import requests

from llm_proxy.adapter import failures
from llm_proxy.adapter.account import Account
from llm_proxy.adapter.breaker import Attempt, Breaker
from llm_proxy.adapter.call import Call
from llm_proxy.adapter.connections import session
from llm_proxy.adapter.gate import Gate
from llm_proxy.adapter.login import Login, refused
from llm_proxy.adapter.patience import Patience
from llm_proxy.adapter.question import search_url
from llm_proxy.adapter.reading import Payloads, payloads
from llm_proxy.settings import AdapterSettings


class Upstream:
    """The legacy API at one URL; shared by all threads of a process."""

    def __init__(self, settings: AdapterSettings) -> None:
        self._settings = settings
        self._session = session(settings.ca_file)
        self._login = Login(settings, self._send)
        self._gate = Gate(settings.max_calls, settings.queue_timeout_seconds)
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_seconds)

    def payloads(
        self, query: str, account: Account | None = None, *, authorization: str | None = None
    ) -> Payloads:
        """Yield the payload of each event the moment it is there, and `None` now and then.

        The end of the body is the end of the answer. What became of it is put down in
        `account`. `authorization` is what the client itself came with; it is sent only where
        STREAM_FORWARD_AUTHORIZATION says so.

        Raises:
            UpstreamError: the legacy API cannot be reached, answers with an error or with
                something that is no event stream, or breaks off.
            UpstreamTimeout: it takes longer than one of its time limits.
            UpstreamBusy, UpstreamDown: it is not asked, now.
        """
        account = account or Account()
        with account.ending():
            self._breaker.check()
            yield from self._gate.enter()
            try:
                with self._breaker.attempt() as attempt, failures.translated(account):
                    yield from self._read(query, account, attempt, authorization)
            finally:
                self._gate.leave()

    def _read(
        self, query: str, account: Account, attempt: Attempt, authorization: str | None
    ) -> Payloads:
        settings = self._settings
        url = search_url(settings.url, settings.query_param, query, settings.max_query_bytes)
        call = Call(partial(self._ask, url, account, attempt, authorization))
        patience = Patience(settings, call)
        call.start()
        try:
            with closing(payloads(call, patience, settings.max_event_bytes)) as read:
                yield from read
        finally:
            call.give_up()

    def _ask(
        self, url: str, account: Account, attempt: Attempt, authorization: str | None, call: Call
    ) -> requests.Response:
        """The answer, whose body is an event stream; in the thread of the call."""
        if self._settings.forward_authorization:
            response = self._send(call, "GET", url, self._login.of_client(authorization).fields)
        else:
            ticket = self._login.ticket(call)
            response = self._send(call, "GET", url, ticket.fields)
            if refused(response) and (other := self._login.renewed(ticket, call)) is not ticket:
                response.close()
                response = self._send(call, "GET", url, other.fields)
        account.answered(response.status_code)
        attempt.answered(response.status_code)
        try:
            failures.check_answer(response, self._credentials())
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
