"""The spans: what traces tell of an exchange, and of the upstream that it asked.

Owns the names, which are those of OpenTelemetry's semantic conventions for generative AI and
for HTTP. Imports OpenTelemetry, which is optional: only for whoever wants traces.
"""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from llm_proxy.core.reply import Fact
from llm_proxy.records.exchange import Exchange

OPERATIONS = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""`gen_ai.operation.name` by the end of the route."""

FAILED = ("failed", "upstream failed", "scripted")

_CONTEXT = TraceContextTextMapPropagator()


class Traces:
    """Makes a span of each exchange; where they go, OpenTelemetry's own variables tell.

    `redacted` takes secrets out of what clients send.
    """

    def __init__(self, redacted: Callable[[str], str]) -> None:
        self._redacted = redacted
        self._lock = Lock()
        self._made: Tracer | None = None

    def begun(
        self, exchange: Exchange, headers: Mapping[str, str]
    ) -> tuple["Traced", Mapping[str, str]]:
        """An observer that traces the exchange, as part of the client's trace if it has one.

        `headers` are the client's, their names in lower case. The second value are those that
        whoever is asked on behalf of it is to get instead (W3C, Trace Context).
        """
        traced = Traced(self._tracer(), self._redacted, exchange, _CONTEXT.extract(headers))
        return traced, traced.headers()

    def _tracer(self) -> Tracer:
        """Made in the worker, as no thread that sends spans outlives a fork."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    named = Resource.create()
                    if str(named.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
                        named = named.merge(Resource({SERVICE_NAME: "llm-proxy"}))
                    provider = TracerProvider(resource=named)
                    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
                    self._made = provider.get_tracer("llm_proxy")
        return self._made


class Traced:
    """The spans of one exchange: its own, and one below it for each question put upstream."""

    def __init__(
        self,
        tracer: Tracer,
        redacted: Callable[[str], str],
        exchange: Exchange,
        parent: Context,
    ) -> None:
        self._tracer = tracer
        self._redacted = redacted
        self._upstream: tuple[Span, Mapping[str, Fact]] | None = None
        self._span = tracer.start_span(
            f"{exchange.method} {exchange.route}".strip(),
            parent,
            SpanKind.SERVER,
            {
                "http.request.method": exchange.method,
                "http.route": exchange.route,
                "url.path": redacted(exchange.path),
            },
        )

    def headers(self) -> Mapping[str, str]:
        """The headers that make what is traced elsewhere a part of this."""
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, set_span_in_context(self._span))
        return carrier

    def streams(self, _: Exchange) -> None:
        self._span.set_attribute("gen_ai.request.stream", True)

    def noted(self, _: Exchange, facts: Mapping[str, Fact]) -> None:
        if any(name.startswith("upstream_") for name in facts):
            self._upstream_over()
            name = f"search {facts.get('upstream_model', '')}".strip()
            above = set_span_in_context(self._span)
            span = self._tracer.start_span(name, above, SpanKind.CLIENT)
            self._upstream = span, facts

    def ended(self, exchange: Exchange) -> None:
        self._upstream_over()
        span = self._span
        if (operation := _operation(exchange)) is not None:
            model = self._redacted(exchange.model or "")
            answering = self._redacted(exchange.stamped.model or "")
            span.update_name(f"{operation} {model}".strip())
            span.set_attributes(_generated(exchange, operation, model, answering or model))
        span.set_attribute("http.response.status_code", exchange.status)
        span.set_attribute("llm_proxy.outcome", exchange.outcome)
        if exchange.outcome in FAILED or exchange.status >= 500:
            span.set_attribute("error.type", exchange.outcome.replace(" ", "_"))
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def _upstream_over(self) -> None:
        if self._upstream is None:
            return
        span, facts = self._upstream
        self._upstream = None
        if (status := facts.get("upstream_status")) is not None:
            span.set_attribute("http.response.status_code", status)
        end = facts.get("upstream_end", "done")
        if end not in ("done", "left"):
            span.set_attribute("error.type", end)
            span.set_status(Status(StatusCode.ERROR))
        span.end()


def _operation(exchange: Exchange) -> str | None:
    """What was asked of a model, if one was."""
    if exchange.method != "POST":
        return None
    return next((OPERATIONS[end] for end in OPERATIONS if exchange.route.endswith(end)), None)


def _generated(exchange: Exchange, operation: str, model: str, answering: str) -> dict[str, Any]:
    """The attributes of a span that the conventions for generative AI have.

    `model` is the one that was asked, and `answering` the one that says to have answered.
    """
    found: dict[str, Any] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "llm_proxy",
    }
    if model:
        found["gen_ai.request.model"] = model
        if exchange.status == 200:
            found["gen_ai.response.model"] = answering
    if exchange.usage is not None:
        found["gen_ai.usage.input_tokens"] = exchange.usage.prompt_tokens
        found["gen_ai.usage.output_tokens"] = exchange.usage.completion_tokens
    if exchange.reasons:
        found["gen_ai.response.finish_reasons"] = list(exchange.reasons)
    if moments := exchange.course.moments:
        found["gen_ai.response.time_to_first_chunk"] = moments[0] - exchange.began
    return found
