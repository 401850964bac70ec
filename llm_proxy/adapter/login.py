"""The login: what opens the legacy API, as configured or as a login request brings it.

One for all threads: when it has expired, one call renews it and the others wait for that.
Must not know when it is refused (the caller tells) nor what is asked with it.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from msgspec import Struct

from llm_proxy.adapter.failures import named
from llm_proxy.errors import UpstreamError
from llm_proxy.settings import AdapterSettings
from llm_proxy.upstream.call import TURN_SECONDS, Call

MAX_ANSWER_BYTES = 256 * 1024

_SENDABLE = re.compile(r"[\x21-\x7e]{1,16384}")  # RFC 9110, 5.5, without white space

Send = Callable[[Call, str, str, Mapping[str, str], bytes | None], requests.Response]
"""Sends a request: the call it belongs to, method, URL, header fields, body."""


class Ticket(Struct, frozen=True):
    """Header fields that open the legacy API, until they are refused."""

    fields: Mapping[str, str]


class Login:
    """Credentials that are configured, renewed by a login request where one is."""

    def __init__(self, settings: AdapterSettings, send: Send) -> None:
        self._settings = settings
        self._send = send
        self._lock = threading.Lock()
        self._configured = Ticket(_configured(settings))
        self._ticket = None if settings.login_url else self._configured
        self._attempts = 0
        self._failure: UpstreamError | None = None

    def of_client(self, authorization: str | None) -> Ticket:
        """What the client itself brings, and none of the credentials that are configured."""
        fields = requests.structures.CaseInsensitiveDict(self._settings.headers)
        fields.pop("Authorization", None)
        fields.pop("Cookie", None)
        if authorization:
            fields["Authorization"] = authorization
        return Ticket(fields)

    def ticket(self, call: Call) -> Ticket:
        """What opens the legacy API; it is asked for if there is none yet.

        Raises:
            UpstreamError: the login failed.
            GivenUp: the call has been given up meanwhile.
        """
        return self._ticket or self.renewed(None, call)

    def renewed(self, refused: Ticket | None, call: Call) -> Ticket:
        """Another one in place of `refused`, by a login request, which has to be configured.

        Raises: as `ticket`.
        """
        seen = self._attempts
        with self._alone(call):
            if self._ticket is not refused and self._ticket is not None:
                return self._ticket
            if self._attempts != seen and self._failure is not None:  # while we waited
                raise UpstreamError(self._failure.message, code=self._failure.code)
            self._failure = None
            try:
                self._ticket = self._logged_in(call)
            except UpstreamError as error:
                self._failure = error
                raise
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                self._failure = _failed("could not be reached, or broke off")
                raise self._failure from error
            finally:
                self._attempts += 1
            return self._ticket

    @contextmanager
    def _alone(self, call: Call) -> Iterator[None]:
        while not self._lock.acquire(timeout=TURN_SECONDS):
            call.check()
        try:
            yield
        finally:
            self._lock.release()

    def _logged_in(self, call: Call) -> Ticket:
        settings = self._settings
        body = settings.login_body.encode() or None
        fields = {"Accept": "application/json, */*;q=0.5"}
        if body:
            is_json = settings.login_body.lstrip().startswith("{")
            kind = "json" if is_json else "x-www-form-urlencoded"
            fields["Content-Type"] = f"application/{kind}"
        if urlsplit(settings.login_url)[:2] == urlsplit(settings.url)[:2]:
            fields |= dict(settings.headers)
        with self._send(call, settings.login_method, settings.login_url, fields, body) as response:
            # A form answers with a redirect to where the user came from.
            expected = range(200, 400 if settings.login_path == "cookie" else 300)
            if response.status_code not in expected:
                raise _failed(f"was answered with {named(response.status_code)}")
            if settings.login_path == "cookie":
                return self._with_cookies(response)
            return self._with_token(response)

    def _with_cookies(self, response: requests.Response) -> Ticket:
        cookies = {cookie.name: cookie.value or "" for cookie in response.cookies}
        if not cookies:
            raise _failed("brought no cookie")
        ours = self._configured.fields.get("Cookie", "").split(";")
        kept = [pair.strip() for pair in ours if pair.partition("=")[0].strip() not in cookies]
        pairs = [f"{name}={value}" for name, value in cookies.items()]
        return self._with_field("Cookie", "; ".join(filter(None, [*kept, *pairs])))

    def _with_token(self, response: requests.Response) -> Ticket:
        raw: Any = response.raw
        token = _at(self._settings.login_path, raw.read(MAX_ANSWER_BYTES, decode_content=True))
        if token is None:
            raise _failed("brought no token where STREAM_LOGIN_TOKEN says")
        return self._with_field("Authorization", f"Bearer {token}")

    def _with_field(self, name: str, value: str) -> Ticket:
        fields = requests.structures.CaseInsensitiveDict(self._configured.fields)
        fields[name] = value
        return Ticket(fields)


def refused(response: requests.Response) -> bool:
    """Whether an answer asks for a login: it says so, leads to one, or is a page to read."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    status = response.status_code
    return (
        status in (401, 403)
        or 300 <= status < 400
        or (status == 200 and media_type in ("text/html", "application/xhtml+xml"))
    )


def _configured(settings: AdapterSettings) -> Mapping[str, str]:
    """The header fields that are configured; those in STREAM_HEADERS win."""
    fields: requests.structures.CaseInsensitiveDict[str]
    fields = requests.structures.CaseInsensitiveDict()
    if settings.bearer_token:
        fields["Authorization"] = f"Bearer {settings.bearer_token}"
    if settings.cookie:
        fields["Cookie"] = settings.cookie
    fields.update(settings.headers)
    return fields


def _at(path: str, document: bytes) -> str | None:
    """The text at a path of names and numbers, such as `data.0.token`; nothing where it leads
    nowhere, or to what no header can carry."""
    try:
        value = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    for name in path.split("."):
        match value:
            case dict() if name in value:
                value = value[name]
            case list() if name.isdecimal() and int(name) < len(value):
                value = value[int(name)]
            case _:
                return None
    return value if isinstance(value, str) and _SENDABLE.fullmatch(value) else None


def _failed(what: str) -> UpstreamError:
    return UpstreamError(
        f"The login to the legacy search API {what}. "
        "Check STREAM_LOGIN_URL, STREAM_LOGIN_METHOD, STREAM_LOGIN_BODY and STREAM_LOGIN_TOKEN.",
        code="upstream_login",
    )
