"""The table of the control API: every path, what answers there, and what can be asked.

Flask code, as its views are.
"""

from collections.abc import Mapping
from functools import partial

from llm_proxy.control import bodies, verification
from llm_proxy.control.exchanges import ExchangeViews
from llm_proxy.control.queries import PARAMETERS
from llm_proxy.control.route import Route
from llm_proxy.control.scripts import ScriptViews
from llm_proxy.state import Kind

_KINDS: Mapping[str, Kind] = {
    "/fixtures": "fixture",
    "/faults": "fault",
    "/pacing": "pacing",
    "/quota": "quota",
}

_NAMESPACE = ("namespace",)


def routes(scripts: ScriptViews, exchanges: ExchangeViews) -> list[Route]:
    """All routes, but for the one that tells of them."""
    return [*_of_scripts(scripts), *_of_exchanges(exchanges)]


def _of_scripts(views: ScriptViews) -> list[Route]:
    table = [
        Route(
            "POST",
            "/fixtures",
            views.add_fixtures,
            "Add fixtures",
            (bodies.FixtureBody, bodies.FixturesBody),
        ),
        Route("POST", "/faults", views.add_fault, "Queue a fault", (bodies.FaultBody,)),
        Route(
            "PUT", "/pacing", views.put_pacing, "Set how fast replies come", (bodies.PacingBody,)
        ),
        Route("PUT", "/quota", views.put_quota, "Set what may be asked", (bodies.QuotaBody,)),
        Route("POST", "/reset", views.reset, "Forget a namespace, or all", (bodies.ResetBody,)),
        Route("GET", "/namespace", views.namespace, "The namespace of calls with these headers"),
    ]
    for path, kind in _KINDS.items():
        table += [
            Route("GET", path, partial(views.listed, kind), f"What is set: {kind}", (), _NAMESPACE),
            Route("DELETE", path, partial(views.clear, kind), f"Remove: {kind}", query=_NAMESPACE),
            Route("DELETE", f"{path}/<name>", partial(views.remove, kind), f"Remove one: {kind}"),
        ]
    return table


def _of_exchanges(views: ExchangeViews) -> list[Route]:
    one = "/requests/<name>"
    return [
        Route("GET", "/requests", views.listed, "The last exchanges", query=PARAMETERS),
        Route("DELETE", "/requests", views.forget, "Empty the journal", query=_NAMESPACE),
        Route(
            "GET",
            "/requests/stream",
            views.stream,
            "The exchanges as they come",
            query=_NAMESPACE,
            answer="text/event-stream",
        ),
        Route("GET", one, views.one, "All that is kept of an exchange"),
        Route("GET", f"{one}/curl", views.curl, "Its request as a command", answer="text/plain"),
        Route("GET", f"{one}/fixture", views.fixture, "Its reply as a fixture"),
        Route("GET", f"{one}/pytest", views.pytest, "It as a test", answer="text/plain"),
        Route("GET", f"{one}/diff/<other>", views.diff, "How it differs from another one"),
        Route(
            "POST",
            "/verify",
            views.verify,
            "Whether requests that match came so often",
            (verification.VerifyBody,),
        ),
        Route("GET", "/report", views.report, "What clients did about failures", query=_NAMESPACE),
    ]
