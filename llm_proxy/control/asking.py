"""Asking a server for its report, as the command line does."""

from urllib.parse import urlsplit

import msgspec
import requests

from llm_proxy.control.report import Report

PATIENCE_SECONDS = 30.0


class ServerSilent(Exception):
    """The server gave no report; the message says why."""


def asked_report(url: str, namespace: str | None, key: str) -> Report:
    """The report of the server at `url`, on all that it knows of or on one namespace.

    `key` is sent if there is one, as the server may ask for it.

    Raises:
        ServerSilent: it cannot be reached, or it refuses.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ServerSilent(f"--url: {url!r} is no URL such as http://127.0.0.1:8888")
    with requests.Session() as session:
        session.trust_env = False  # no proxy of the environment between us and our own server
        try:
            answer = session.get(
                f"{url.rstrip('/')}/control/report",
                params={} if namespace is None else {"namespace": namespace},
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=PATIENCE_SECONDS,
            )
        except requests.RequestException as error:
            raise ServerSilent(f"{url} cannot be reached: {error}") from None
    if answer.status_code != 200:
        raise ServerSilent(f"{url} answered with {answer.status_code}: {answer.text[:300]}")
    try:
        return msgspec.json.decode(answer.content, type=Report)
    except msgspec.DecodeError as error:
        raise ServerSilent(f"{url} gave no report: {error}") from None
