"""The script of a test: what the mock is to say, how it is to fail, and what it was asked.

Talks to the control API, over HTTP or in-process. Knows nothing of pytest.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from llm_proxy.testing.control import Call

if TYPE_CHECKING:
    from flask import Flask

Match = str | Mapping[str, Any] | None
"""Which requests are meant: a part of the last user message, a `match` as fixtures have it, all."""


class Request:
    """One request that the server saw."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self._entry = entry

    def __repr__(self) -> str:
        return f"<Request {self.path} {self.status}: {self.last_message!r}>"

    @property
    def path(self) -> str:
        """Its path, such as `/v1/chat/completions`."""
        return str(self._entry["path"])

    @property
    def body(self) -> Any:
        """The JSON document that was sent; None for no body, a string for what is no JSON."""
        return self._entry["request"]

    @property
    def status(self) -> int:
        """The HTTP status it was answered with."""
        return int(self._entry["status"])

    @property
    def answered_by(self) -> str:
        """The fixture, or whatever else, that answered it."""
        return str(self._entry["origin"])

    @property
    def last_message(self) -> str:
        """The text of its last message, its input or its prompt; empty where it has none."""
        body = self.body
        if not isinstance(body, dict):  # of a GET, or of what is no request at all
            return ""
        last = body.get("messages") or body.get("input") or body.get("prompt") or ""
        if isinstance(last, list):
            last = last[-1]
        content = last.get("content", last) if isinstance(last, dict) else last
        if isinstance(content, list):
            texts = [part.get("text") for part in content if isinstance(part, dict)]
            content = "\n".join(text for text in texts if isinstance(text, str))
        return content if isinstance(content, str) else json.dumps(content)


class Script:
    """What one test has scripted, in a namespace of its own.

    `base_url` and `api_key` are for a client of OpenAI's API; `url` is the server's. `app` is
    the WSGI application where it is in this process.
    """

    app: "Flask"

    def __init__(self, call: Call, url: str, api_key: str, namespace: str) -> None:
        self.url = url
        self.base_url = url + "/v1"
        self.api_key = api_key
        self.namespace = namespace
        self._call = call
        self._queued: dict[int, int] = {}
        self._scripted = False

    def reply(self, *contents: str | Mapping[str, Any], to: Match = None, **fixture: Any) -> None:
        """Answer with text; with several, one after the other, and with the last from then on.

        A mapping is sent as JSON text. Of all that is scripted for a request, what was
        scripted last counts. `fixture` holds further fields of a fixture, such as
        `streamingProfile`.
        """
        if not contents:
            raise TypeError('reply() needs what to answer, such as reply("Hi.", to="hello")')
        *once, last = [{"content": content} for content in contents]
        self.script(last, to=to, **fixture)
        for response in reversed(once):
            self.script(response, to=to, times=1, **fixture)

    def tool_call(
        self,
        name: str,
        arguments: str | Mapping[str, Any] = "{}",
        *,
        to: Match = None,
        times: int | None = 1,
    ) -> None:
        """Answer with a call of a tool: once, as its result comes with the next request.

        With `times=None` it is called again and again.
        """
        response = {"toolCalls": [{"name": name, "arguments": arguments}]}
        self.script(response, to=to, times=times)

    def script(self, response: Mapping[str, Any], *, to: Match = None, **fixture: Any) -> None:
        """Answer with any `response` that a fixture can have.

        Raises:
            ControlError: it is none that a fixture can have; the message says why.
        """
        self._set(
            "POST", "/control/fixtures", {"match": _match(to), "response": response, **fixture}
        )

    def fail(
        self,
        status: int | None = None,
        *,
        times: int | None = 1,
        fault: str | None = None,
        **more: Any,
    ) -> None:
        """Fail the next request, or the next few, with an HTTP status or by a fault.

        Without either, the status is 500. With `times=None` all of them fail. `more` holds
        further fields of a fault, such as `afterChunks`, `seconds`, `retryAfter` and `message`.

        Raises:
            ControlError: there is no such fault; the message says which there are.
        """
        if status is None and fault is None:
            status = 500
        asked: dict[str, Any] = {"status": status, "kind": fault, **more}
        asked = {name: value for name, value in asked.items() if value is not None}
        number = self._set("POST", "/control/faults", {**asked, "times": times})["id"]
        if times is not None:
            self._queued[number] = times

    def pace(self, **pacing: Any) -> None:
        """Answer as slowly as `ttftMs`, `tokensPerSecond` and `jitter` or a `profile` say."""
        self._set("PUT", "/control/pacing", pacing)

    @property
    def requests(self) -> list[Request]:
        """The requests of this test that reached the server, in their order."""
        return [Request(entry) for entry in reversed(self._listed("requests"))]

    def unused(self) -> list[str]:
        """What was scripted and never used, as JSON; a failure that lasts counts as used."""
        if not self._scripted:
            return []
        fixtures = [one for one in self._listed("fixtures") if not one["used"]]
        faults = [
            one
            for one in self._listed("faults")
            if one["id"] in self._queued and one["times"] == self._queued[one["id"]]
        ]
        return [json.dumps(one["document"]) for one in (*fixtures, *faults)]

    def told(self) -> str:
        """What a failing test wants to know: what was asked, and what was never used."""
        asked = [
            f"asked: {one.path} {one.status} {one.last_message!r}, "
            f"by {one.answered_by or 'the mock'}"
            for one in self.requests
        ] or [f"asked: nothing with the API key {self.api_key}"]
        return "\n".join([*asked, *(f"never used: {one}" for one in self.unused())])

    def reset(self) -> None:
        """Forget all that was scripted, and asked."""
        self._call("POST", "/control/reset", {"namespace": self.namespace})
        self._scripted = False

    def _set(self, method: str, path: str, document: Mapping[str, Any]) -> Any:
        self._scripted = True
        return self._call(method, path, {**document, "namespace": self.namespace})

    def _listed(self, what: str) -> list[Any]:
        path = f"/control/{what}?namespace={quote(self.namespace)}"
        found: list[Any] = self._call("GET", path, None)["data"]
        return found


def _match(to: Match) -> dict[str, Any]:
    return {"userMessage": to} if isinstance(to, str) else dict(to or {})
