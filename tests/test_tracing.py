"""Traces: spans of real servers, as a collector gets them."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from llm_proxy.core.reply import Fact, Noted, Stamped
from llm_proxy.records.exchange import Exchange
from llm_proxy.records.logs import Redactor
from llm_proxy.tracing import wanted as tracing
from llm_proxy.tracing.spans import Traced
from tests.builders import chat_document, stream_of
from tests.collector import Collector, collecting
from tests.servers import GUNICORN, Server, ended, running_gunicorn

ROUTE = "/v1/chat/completions"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def server(collector: Collector) -> Iterator[Server]:
    with running_gunicorn(MOCK_REPLY="echo", **collector.environ()) as server:
        yield server


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_a_span_with_what_was_generated(
    server: Server, collector: Collector, stream: bool
) -> None:
    answer = server.request(
        "POST",
        ROUTE,
        json=chat_document("one two", stream=stream),
        headers={"traceparent": TRACEPARENT},
    )
    assert answer.status_code == 200
    (span,) = collector.spans(1)
    assert (span.name, span.kind, span.trace, span.parent) == (
        "chat gpt-4o",
        "server",
        TRACE,
        PARENT,
    )
    assert not span.failed
    assert span.resource["service.name"] == "llm-proxy"
    attributes = dict(span.attributes)
    if stream:
        assert attributes.pop("gen_ai.request.stream") is True
        assert attributes.pop("gen_ai.response.time_to_first_chunk") > 0
    assert attributes == {
        "http.request.method": "POST",
        "http.route": ROUTE,
        "url.path": ROUTE,
        "http.response.status_code": 200,
        "llm_proxy.outcome": "done",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "llm_proxy",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 2,
    }


def test_a_request_without_a_trace_begins_one(server: Server, collector: Collector) -> None:
    server.request("POST", "/v1/embeddings", json={"model": "m", "input": "one"})
    (span,) = collector.spans(1)
    assert (span.name, span.parent) == ("embeddings m", "")
    assert span.attributes["gen_ai.operation.name"] == "embeddings"


def test_a_request_that_is_refused_is_a_span_and_no_failure(
    server: Server, collector: Collector
) -> None:
    server.request("POST", ROUTE, json={"model": "gpt-4o"})
    (span,) = collector.spans(1)
    assert (span.failed, span.attributes["http.response.status_code"]) == (False, 400)
    assert "gen_ai.response.model" not in span.attributes


def test_a_fault_is_a_failure(server: Server, collector: Collector) -> None:
    headers = {"X-Mock-Status": "503"}
    server.request("POST", ROUTE, json=chat_document(), headers=headers)
    (span,) = collector.spans(1)
    assert (span.failed, span.attributes["error.type"]) == (True, "scripted")


def test_a_request_that_is_no_model_s_business_is_named_by_its_route(
    server: Server, collector: Collector
) -> None:
    for path in ("/health", "/metrics", "/control/requests", "/v1/models"):
        assert server.request("GET", path).status_code == 200
    (span,) = collector.spans(1)
    assert (span.name, dict(span.attributes)) == (
        "GET /v1/models",
        {
            "http.request.method": "GET",
            "http.route": "/v1/models",
            "url.path": "/v1/models",
            "http.response.status_code": 200,
            "llm_proxy.outcome": "done",
        },
    )


def test_spans_that_wait_are_sent_when_the_server_stops(collector: Collector) -> None:
    patient = {**collector.environ(), "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
    with running_gunicorn("--workers", "2", **patient) as server:
        server.request("POST", ROUTE, json=chat_document())
    assert [span.name for span in collector.spans(1)] == ["chat gpt-4o"]


def test_a_server_that_loads_the_application_before_it_forks_traces_too(
    collector: Collector,
) -> None:
    with running_gunicorn("--preload", **collector.environ()) as server:
        server.request("POST", ROUTE, json=chat_document())
        assert [span.name for span in collector.spans(1)] == ["chat gpt-4o"]


def test_whoever_is_asked_on_behalf_of_a_client_is_part_of_its_trace(
    collector: Collector, tmp_path: object
) -> None:
    with (
        running_gunicorn(MOCK_REPLY="echo", **collector.environ()) as api,
        running_gunicorn(
            MOCK_RECORD=f"{api.url}/v1", MOCK_FIXTURES=str(tmp_path), **collector.environ()
        ) as server,
    ):
        server.request("POST", ROUTE, json=chat_document(), headers={"traceparent": TRACEPARENT})
        spans = {span.parent: span for span in collector.spans(2)}
    first = spans[PARENT]
    assert spans[first.id].trace == TRACE
    assert len(spans) == 2


def noting(
    *notes: Mapping[str, Fact], redacted: Callable[[str], str] = str, **fields: Any
) -> list[ReadableSpan]:
    """The spans of an exchange whose sources note this, in the order in which they ended."""
    exported = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    exchange = Exchange(method="POST", path=ROUTE, route=ROUTE, tell=lambda _: None, **fields)
    traced = Traced(provider.get_tracer("t"), redacted, exchange, Context())
    exchange.observers = (traced,)
    list(exchange.noting(stream_of(Noted(facts) for facts in notes)))
    exchange.end()
    return list(exported.get_finished_spans())


def test_no_secret_is_traced_as_the_name_of_a_model() -> None:
    (span,) = noting(
        redacted=Redactor(()),
        model="sk-abcdefghij",
        stamped=Stamped(model="sk-klmnopqrst"),
        status=200,
    )
    attributes = dict(span.attributes or {})
    models = [attributes[f"gen_ai.{whose}.model"] for whose in ("request", "response")]
    assert (span.name, *models) == ("chat sk-***", "sk-***", "sk-***")


def test_each_question_to_the_upstream_is_a_span_below_that_of_the_request() -> None:
    *asked, request = noting(
        {"fixture": "missed"},
        {"upstream_status": 200, "upstream_end": "done"},
        {"upstream_status": 503, "upstream_end": "upstream_status", "upstream_model": "m"},
        {"upstream_end": "upstream_unreachable"},
    )
    assert [(span.name, span.kind, dict(span.attributes or {})) for span in asked] == [
        ("search", SpanKind.CLIENT, {"http.response.status_code": 200}),
        (
            "search m",
            SpanKind.CLIENT,
            {"http.response.status_code": 503, "error.type": "upstream_status"},
        ),
        ("search", SpanKind.CLIENT, {"error.type": "upstream_unreachable"}),
    ]
    assert [span.status.is_ok for span in asked] == [True, False, False]
    assert {span.parent.span_id for span in asked if span.parent} == {request.context.span_id}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, False),
        ({"OTEL_SERVICE_NAME": "s"}, False),
    ],
)
def test_traces_are_wanted_where_the_environment_says_so(
    environ: Mapping[str, str], expected: bool
) -> None:
    assert tracing.wanted(environ) is expected
    assert tracing.problems(environ) == []


def test_what_keeps_traces_from_being_sent_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    environ = {"OTEL_TRACES_EXPORTER": "jaeger", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert tracing.problems(environ) == [
        "OTEL_TRACES_EXPORTER: 'jaeger' is not one of otlp, none",
        "OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' is not spoken here; http/protobuf is",
        "OTEL_TRACES_EXPORTER: traces need packages that are not installed; "
        "install this one with its extra 'tracing'",
    ]


def test_traces_that_cannot_be_sent_are_a_reason_not_to_start() -> None:
    process = ended((*GUNICORN,), OTEL_TRACES_EXPORTER="zipkin", LLM_PROXY_V1="neither", PORT="0")
    assert process.returncode == 1
    assert "LLM_PROXY_V1: 'neither' is not one of mock, adapter" in process.stderr
    assert "OTEL_TRACES_EXPORTER: 'zipkin' is not one of otlp, none" in process.stderr


def test_where_traces_are_not_wanted_nothing_of_opentelemetry_is_imported() -> None:
    code = "import sys, llm_proxy; llm_proxy.create_app(); print('opentelemetry' in sys.modules)"
    assert ended((sys.executable, "-c", code)).stdout.strip() == "False"
