"""What is set at run time: the part of the control API that changes the state of the mock.

Flask code. Knows the shared state, and no source of replies.
"""

from collections.abc import Collection
from typing import Any

from flask import Response, request

from llm_proxy.control import answers, bodies, calls
from llm_proxy.control.bodies import Asked, CheckFixture
from llm_proxy.errors import NotStored
from llm_proxy.journal.entry import Journal
from llm_proxy.namespaces import namespace_of
from llm_proxy.settings import ServerSettings
from llm_proxy.shell.incoming import current
from llm_proxy.state import Kind, Scripted, State


class ScriptViews:
    """The views of what is set, and of what belongs to it."""

    def __init__(
        self,
        state: State,
        journal: Journal | None,
        server: ServerSettings,
        check_fixture: CheckFixture,
        profiles: Collection[str],
    ) -> None:
        self._state = state
        self._journal = journal
        self._server = server
        self._check_fixture = check_fixture
        self._profiles = profiles

    def listed(self, kind: Kind) -> Response:
        """All that is set of one kind, or in one namespace, in the order in which it is tried."""
        found = self._of(kind, _namespace())
        return answers.listed(
            [self._shown(one) for one in (found[::-1] if kind == "fixture" else found)]
        )

    def clear(self, kind: Kind) -> Response:
        """Remove all that is set of one kind, or what is set in one namespace."""
        found = self._of(kind, _namespace())
        return answers.document(
            {"deleted": sum(self._state.remove(kind, one.number) for one in found)}
        )

    def remove(self, kind: Kind, name: str) -> Response:
        """Remove one thing."""
        number = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else 0
        if not self._state.remove(kind, number):
            raise NotStored(f"No {kind} has the id '{name[:100]}'.")
        return answers.document({"id": number, "deleted": True})

    def add_fixtures(self) -> Response:
        """Add one fixture, or several in their order."""
        asked, one = bodies.fixtures(self._document(), self._check_fixture)
        namespaces = [_namespace(each.namespace) or "" for each in asked]
        # The last one first: what was set last is tried first.
        backwards = zip(reversed(namespaces), reversed(asked), strict=True)
        added = [self._add("fixture", namespace, each) for namespace, each in backwards][::-1]
        return answers.document(added[0], 201) if one else answers.listed(added, 201)

    def add_fault(self) -> Response:
        """Queue a fault behind those that wait."""
        asked = bodies.fault(self._document())
        return answers.document(self._add("fault", _namespace(asked.namespace) or "", asked), 201)

    def put_pacing(self) -> Response:
        """Set the pacing of a namespace, or of all that have none of their own."""
        return self._put("pacing", bodies.pacing(self._document(), self._profiles))

    def put_quota(self) -> Response:
        """Set the quota of a namespace, or of all that have none of their own."""
        return self._put("quota", bodies.quota(self._document()))

    def reset(self) -> Response:
        """Forget what was set, counted and written into the journal; all, or of one namespace."""
        namespace = _namespace(bodies.reset(self._document()))
        self._state.reset(namespace)
        if self._journal is not None:
            self._journal.clear(namespace)
        return answers.document({"namespace": namespace, "reset": True})

    def namespace(self) -> Response:
        """The namespace that a call of the mock has which comes with these headers."""
        return answers.document({"namespace": namespace_of(current().headers)})

    def _of(self, kind: Kind, namespace: str | None) -> list[Scripted]:
        return [one for one in self._state.scripted(kind) if namespace in (None, one.namespace)]

    def _add(self, kind: Kind, namespace: str, asked: Asked) -> dict[str, Any]:
        number = self._state.add(kind, namespace, asked.document, asked.times)
        return self._shown(Scripted(number, kind, namespace, asked.document, asked.times))

    def _shown(self, scripted: Scripted) -> dict[str, Any]:
        shown = {
            "id": scripted.number,
            "namespace": scripted.namespace,
            "times": scripted.times,
            "document": scripted.document,
        }
        if scripted.kind == "fixture":
            shown["used"] = self._state.count(scripted.namespace, scripted.uses)
        return shown

    def _put(self, kind: Kind, asked: Asked) -> Response:
        """Set the only thing of its kind in a namespace; until the one before is gone, both are."""
        namespace = _namespace(asked.namespace) or ""
        before = self._of(kind, namespace)
        shown = self._add(kind, namespace, asked)
        for one in before:
            self._state.remove(kind, one.number)
        return answers.document(shown)

    def _document(self) -> bytes:
        calls.refuse_other_media(request.mimetype)
        return current().body(self._server.max_body_bytes)


def _namespace(in_body: str | None = None) -> str | None:
    return calls.namespace_asked(current().headers, request.args, in_body)
