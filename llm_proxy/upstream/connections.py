"""Connections to the upstream: a requests session whose calls can be given up at any time.

Owns what of requests and urllib3 is not as they come: who may end a connection, how one is
made, and what is never done by itself (redirects, cookies, ~/.netrc, proxies of the environment).
"""

import errno
import socket
import sys
import time
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.wait import wait_for_write

from llm_proxy.upstream.body import Answer
from llm_proxy.upstream.call import TURN_SECONDS, Call

POOL_SIZE = 256
"""Connections kept for reuse: as many as `gunicorn.conf.py` lets requests run at once."""

_UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0))


def session(ca_file: str = "") -> requests.Session:
    """A session for calls only; certificates are checked against `ca_file`, if there is one."""
    made = _Session()
    # A server that compresses may hold words back until a block is full.
    made.headers["Accept-Encoding"] = "identity"
    # A cookie set in one user's answer must not go out with another's question.
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    # Neither ~/.netrc, which replaces an Authorization header, nor proxies from the
    # environment have a say in where the question goes.
    made.trust_env = False
    if ca_file:
        made.verify = ca_file
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter(pool_maxsize=POOL_SIZE))
    return made


class _Session(requests.Session):
    """A session that leaves redirects alone.

    Even where they are not followed, requests reads the body of one to its end and parses
    where it leads.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        return None


class _Adapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class _GivenUpAtWill:
    """What a connection does for the call that uses it."""

    response_class: Any = Answer

    def connect(self: Any) -> None:
        with Call.current().connecting():
            super().connect()  # type: ignore[misc]

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        self.call = Call.current()
        if self.sock is not None:
            self.call.hold(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]

    def _new_conn(self: Any) -> socket.socket:
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, 0, socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            reason = socket.gaierror(getattr(error, "errno", None), "no such name")
            raise NameResolutionError(self.host, self, reason) from error
        deadline = time.monotonic() + self.timeout
        failure: OSError = OSError("the name has no address")
        for number, (family, kind, protocol, _, address) in enumerate(addresses):
            # An address that does not answer leaves time for those behind it.
            share = (deadline - time.monotonic()) / (len(addresses) - number)
            try:
                made = _connected(socket.socket(family, kind, protocol), address, share)
            except OSError as error:
                failure = error
                continue
            try:
                for option in self.socket_options or ():
                    made.setsockopt(*option)
                sys.audit("http.client.connect", self, self.host, self.port)
                Call.current().hold(made)
            except BaseException:
                made.close()
                raise
            return made
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no address accepted in time") from failure
        raise NewConnectionError(self, "no address can be connected to") from failure


def _connected(made: socket.socket, address: Any, seconds: float) -> socket.socket:
    """Connect within so many seconds, as long as the call is wanted."""
    call, deadline = Call.current(), time.monotonic() + seconds
    try:
        made.setblocking(False)
        if (number := made.connect_ex(address)) not in _UNDER_WAY:
            raise OSError(number, errno.errorcode.get(number, "unknown"))
        while not wait_for_write(made, max(min(TURN_SECONDS, deadline - time.monotonic()), 0.0)):
            call.check()
            if time.monotonic() >= deadline:
                raise TimeoutError
        if number := made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, errno.errorcode.get(number, "unknown"))
        made.settimeout(seconds)
    except BaseException:
        made.close()
        raise
    return made


class _Connection(_GivenUpAtWill, HTTPConnection):
    pass


class _TLSConnection(_GivenUpAtWill, HTTPSConnection):
    pass


class _LetGoFirst:
    """A pool to which a connection returns once no call can end it any more."""

    def _put_conn(self: Any, connection: Any) -> None:
        if connection is not None and not connection.call.let_go():
            connection.close()  # shut down already, though what came may have looked complete
            connection = None
        super()._put_conn(connection)  # type: ignore[misc]


class _Pool(_LetGoFirst, HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(_LetGoFirst, HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
