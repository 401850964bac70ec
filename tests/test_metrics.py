"""Metrics: what is counted of an exchange, and how it is told."""

import threading
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from llm_proxy.core.reply import Annotations, Fact, Finish, ReasoningDelta, TextDelta, TextRun
from llm_proxy.metrics.counted import Counted
from llm_proxy.metrics.ended import gaps
from llm_proxy.metrics.histogram import BulkHistogram
from llm_proxy.metrics.labels import MAX_VALUES, Bounded
from llm_proxy.records.exchange import Exchange
from tests.builders import chat_document, client, read
from tests.fixtures import fixture, fixture_client
from tests.scraped import samples, value

ROUTE = "/v1/chat/completions"


def counted() -> Counted:
    return Counted(("gpt-4o",), lambda text: text)


def exposed(counted: Counted) -> str:
    return counted.exposed("")[0].decode()


def exchange(**fields: object) -> Exchange:
    known = {"method": "POST", "path": ROUTE, "route": ROUTE, "tell": lambda _: None}
    return Exchange(**{**known, **fields})  # type: ignore[arg-type]


def embed(asking: FlaskClient, model: str) -> None:
    asking.post("/v1/embeddings", json={"input": "hi", "model": model}, buffered=True)


def noted(*notes: Mapping[str, Fact]) -> str:
    """What is told of exchanges with these notes, one after the other."""
    counting = counted()
    for facts in notes:
        exchange(notes=[facts], observers=(counting,)).end()
    return exposed(counting)


def test_a_request_is_counted_with_its_duration_and_tokens() -> None:
    asking = client()
    usage = read(asking.post(ROUTE, json=chat_document("hello"), buffered=True))["usage"]
    text = asking.get("/metrics").text
    (requests,) = samples(text, "llm_proxy_requests_total")
    assert requests.labels == {
        "method": "POST",
        "route": ROUTE,
        "model": "gpt-4o",
        "status": "200",
        "outcome": "done",
    }
    assert requests.value == 1
    assert value(text, "llm_proxy_request_duration_seconds_count", route=ROUTE, stream="false") == 1
    tokens = samples(text, "llm_proxy_tokens_total")
    assert {sample.labels["kind"]: sample.value for sample in tokens} == {
        "prompt": usage["prompt_tokens"],
        "completion": usage["completion_tokens"],
    }
    assert samples(text, "llm_proxy_time_to_first_token_seconds_count") == []


def test_a_stream_is_measured_by_its_chunks() -> None:
    asking = client(MOCK_REPLY="echo")
    asking.post(ROUTE, json=chat_document("one two three four", stream=True), buffered=True)
    text = asking.get("/metrics").text
    of_this = {"route": ROUTE, "model": "gpt-4o"}
    assert value(text, "llm_proxy_time_to_first_token_seconds_count", **of_this) == 1
    assert value(text, "llm_proxy_inter_chunk_seconds_count", **of_this) == 3
    assert value(text, "llm_proxy_request_duration_seconds_count", route=ROUTE, stream="true") == 1
    assert value(text, "llm_proxy_tokens_total", kind="prompt") > 0


def test_a_stream_is_open_until_it_ends() -> None:
    asking = client()
    answer = asking.post(ROUTE, json=chat_document(stream=True), buffered=False)
    assert value(asking.get("/metrics").text, "llm_proxy_streams_open", route=ROUTE) == 1
    answer.close()
    text = asking.get("/metrics").text
    assert value(text, "llm_proxy_streams_open", route=ROUTE) == 0
    assert value(text, "llm_proxy_requests_total", outcome="client gone") == 1


def test_refused_requests_are_counted_by_status_and_outcome() -> None:
    asking = client()
    asking.post(ROUTE, data=b"{", buffered=True)
    asking.get("/no/such/page", buffered=True)
    asking.open("/health", method="BREW", buffered=True)
    found = samples(asking.get("/metrics").text, "llm_proxy_requests_total")
    labels = ("method", "route", "model", "status", "outcome")
    assert [tuple(sample.labels[name] for name in labels) for sample in found] == [
        ("POST", ROUTE, "", "400", "refused"),
        ("GET", "unmatched", "", "404", "refused"),
        ("other", "unmatched", "", "405", "refused"),
    ]


def test_a_route_is_told_as_its_template() -> None:
    asking = client()
    asking.get("/mock/v1/models/gpt-4o", buffered=True)
    (found,) = samples(asking.get("/metrics").text, "llm_proxy_requests_total")
    assert found.labels["route"] == "/mock/v1/models/<path:model>"


def test_models_that_clients_make_up_are_told_apart_up_to_a_number() -> None:
    asking = client()
    for number in range(MAX_VALUES + 10):
        embed(asking, f"made-up-{number}")
    embed(asking, "text-embedding-3-small")
    found = samples(asking.get("/metrics").text, "llm_proxy_requests_total")
    models = {sample.labels["model"]: sample.value for sample in found}
    assert {"made-up-0", "text-embedding-3-small", "other"} <= models.keys()
    assert len(models) <= MAX_VALUES + 1
    assert sum(models.values()) == MAX_VALUES + 11


def test_a_label_is_no_place_for_long_texts_and_secrets() -> None:
    bounded = Bounded((), lambda text: text.replace("sk-secret", "***"))
    assert [bounded("x" * 101), bounded("x" * 100), bounded("sk-secret")] == [
        "other",
        "x" * 100,
        "***",
    ]


def test_fixtures_that_match_and_that_do_not_are_counted(tmp_path: Path) -> None:
    asking = fixture_client(tmp_path, fixture({"userMessage": "known"}), MOCK_REPLY="canned")
    for text in ("known", "known", "other"):
        asking.post(ROUTE, json=chat_document(text), buffered=True)
    embed(asking, "m")
    text = asking.get("/metrics").text
    assert value(text, "llm_proxy_fixtures_total", result="matched") == 2
    assert value(text, "llm_proxy_fixtures_total", result="missed") == 2


def test_a_miss_that_is_an_error_is_counted(tmp_path: Path) -> None:
    asking = fixture_client(tmp_path, fixture({"userMessage": "known"}))
    assert asking.post(ROUTE, json=chat_document("x"), buffered=True).status_code == 404
    assert value(asking.get("/metrics").text, "llm_proxy_fixtures_total", result="missed") == 1


def test_without_fixtures_none_is_missed() -> None:
    asking = client()
    asking.post(ROUTE, json=chat_document(), buffered=True)
    assert samples(asking.get("/metrics").text, "llm_proxy_fixtures_total") == []


def test_calls_of_the_upstream_are_counted_by_what_became_of_them() -> None:
    text = noted(
        {"upstream_status": 200, "upstream_end": "done"},
        {"upstream_status": 200, "upstream_end": "left"},
        {"upstream_status": 200, "upstream_end": "upstream_timeout"},
        {"upstream_status": 503, "upstream_end": "upstream_error"},
        {"upstream_end": "upstream_unreachable"},
        {"upstream_end": "upstream_busy", "upstream_model": "legacy"},
        {"upstream_words": 1},
    )
    calls = samples(text, "llm_proxy_upstream_calls_total")
    assert [(sample.labels, sample.value) for sample in calls] == [
        ({"upstream": "", "status": "2xx"}, 3),
        ({"upstream": "", "status": "5xx"}, 1),
        ({"upstream": "", "status": "none"}, 1),
    ]
    failures = samples(text, "llm_proxy_upstream_failures_total")
    assert [(sample.labels, sample.value) for sample in failures] == [
        ({"upstream": "", "code": "upstream_timeout"}, 1),
        ({"upstream": "", "code": "upstream_error"}, 1),
        ({"upstream": "", "code": "upstream_unreachable"}, 1),
        ({"upstream": "legacy", "code": "upstream_busy"}, 1),
    ]


DOWN: Mapping[str, Fact] = {"upstream_end": "upstream_down"}
OPENED: Mapping[str, Fact] = {"upstream_end": "upstream_timeout", "upstream_breaker": "open"}
FAILED: Mapping[str, Fact] = {"upstream_status": 500, "upstream_end": "upstream_error"}
REFUSED: Mapping[str, Fact] = {"upstream_status": 404, "upstream_end": "upstream_error"}


@pytest.mark.parametrize(
    ("notes", "breakers"),
    [((DOWN,), 1), ((OPENED,), 1), ((DOWN, FAILED), 1), ((DOWN, REFUSED), 0), ((FAILED,), 0)],
)
def test_the_state_of_the_breaker_is_what_the_calls_showed(
    notes: tuple[Mapping[str, Fact], ...], breakers: int
) -> None:
    assert value(noted(*notes), "llm_proxy_upstream_breakers_open") == breakers


def test_gaps_are_put_into_the_buckets_that_single_values_would_be_put_into() -> None:
    moments = [5.0, 5.0, 5.25, 5.5, 6.5, 100.0]
    together, single = CollectorRegistry(), CollectorRegistry()
    bulk = BulkHistogram("gaps", "h", buckets=(0.25, 1), registry=together)
    bulk.observe_all(gaps(moments[1:]), 1)
    one_by_one = Histogram("gaps", "h", buckets=(0.25, 1), registry=single)
    for before, after in pairwise(moments):
        one_by_one.observe(after - before)
    assert numbers(together) == numbers(single)


def numbers(registry: CollectorRegistry) -> list[tuple[str, dict[str, str], float]]:
    found = [sample for metric in registry.collect() for sample in metric.samples]
    return [(one.name, one.labels, one.value) for one in found if one.name != "gaps_created"]


def test_only_what_is_a_piece_of_a_stream_is_a_chunk() -> None:
    counting, streamed = counted(), exchange(model="gpt-4o")
    streamed.observers = (counting,)
    streamed.streams()
    for event in (TextDelta("a"), TextRun(("b", "c")), Annotations(()), ReasoningDelta("d")):
        streamed.course.came(event, 0.0)
    streamed.course.came(Finish(), 0.0)
    streamed.end()
    text = exposed(counting)
    assert value(text, "llm_proxy_inter_chunk_seconds_count") == 3
    assert value(text, "llm_proxy_time_to_first_token_seconds_count") == 1


def test_threads_that_come_first_together_share_the_meters() -> None:
    counting = counted()
    barrier = threading.Barrier(8)
    found: list[object] = []

    def first() -> None:
        barrier.wait()
        found.append(counting.meters())

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_metrics_ask_for_a_key_where_keys_are_asked_for() -> None:
    asking = client(LLM_PROXY_API_KEYS="k1")
    assert asking.get("/metrics").status_code == 401
    assert asking.get("/metrics", headers={"Authorization": "Bearer k1"}).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_the_text_is_in_the_format_that_is_asked_for(accepted: str, content_type: str) -> None:
    answer = client().get("/metrics", headers={"Accept": accepted})
    assert answer.headers["Content-Type"].startswith(content_type)


def test_every_metric_has_a_type_and_a_help_text() -> None:
    families = list(text_string_to_metric_families(client().get("/metrics").text))
    assert [family.name for family in families if not family.name.endswith("_created")] == [
        "llm_proxy_requests",
        "llm_proxy_request_duration_seconds",
        "llm_proxy_time_to_first_token_seconds",
        "llm_proxy_inter_chunk_seconds",
        "llm_proxy_tokens",
        "llm_proxy_streams_open",
        "llm_proxy_upstream_calls",
        "llm_proxy_upstream_failures",
        "llm_proxy_upstream_breakers_open",
        "llm_proxy_fixtures",
    ]
    assert all(family.documentation for family in families)
