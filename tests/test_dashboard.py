"""The dashboard for Grafana: what it asks for is what a server tells."""

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_proxy.core.reply import Fact, TextDelta, TextRun, Usage
from llm_proxy.metrics.counted import Counted
from llm_proxy.records.exchange import Exchange
from tests.servers import ROOT

DASHBOARD = json.loads((ROOT / "examples" / "grafana" / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]

OF_PROMETHEUS = {"le", "instance"}
"""Labels that Prometheus gives, or that every histogram has."""

_METRIC = re.compile(r"(llm_proxy_\w+)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*[=!]")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


def labels_told() -> dict[str, set[str]]:
    """The labels of every series that there is once everything has happened."""
    counted = Counted((), str)
    upstream: dict[str, Fact] = {"upstream_end": "upstream_status", "upstream_status": 500}
    exchange = Exchange(method="GET", path="/", tell=lambda _: None, observers=(counted,))
    exchange.notes += [{"fixture": "missed"}, upstream, {"upstream_end": "upstream_down"}]
    exchange.usage = Usage(1, 1)
    exchange.streams()
    exchange.course.came(TextDelta("a"), 0.0)
    exchange.course.came(TextRun(("b", "c")), 1.0)
    exchange.end()
    families = text_string_to_metric_families(counted.exposed("")[0].decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


TOLD = labels_told()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_series_and_label_that_is_asked_for_exists(expression: str) -> None:
    asked = _METRIC.findall(expression)
    assert len(asked) == expression.count("llm_proxy_") > 0
    for metric, matchers in asked:
        assert metric in TOLD
        grouped = {
            name.strip() for names in _GROUPED.findall(expression) for name in names.split(",")
        }
        assert {*_LABEL.findall(matchers), *grouped} <= TOLD[metric] | OF_PROMETHEUS


def test_every_metric_is_shown() -> None:
    shown = {metric for expression in EXPRESSIONS for metric, _ in _METRIC.findall(expression)}
    beside = ("_created", "_count", "_sum")
    assert shown == {name for name in TOLD if not name.endswith(beside)}


def test_there_is_a_row_for_each_side_of_a_server() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Traffic", "Latency", "Streaming", "Tokens", "Upstream", "Mock"]


def test_panels_have_ids_of_their_own_and_do_not_lie_on_each_other() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_data_source_is_the_choice_of_whoever_imports_it() -> None:
    variables = [variable["name"] for variable in DASHBOARD["templating"]["list"]]
    assert variables == ["datasource", "instance"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}
