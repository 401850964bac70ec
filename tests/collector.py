"""A collector of traces, as OpenTelemetry's exporters find it: a real HTTP server."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.servers import PATIENCE_SECONDS


class Collected(NamedTuple):
    """A span as it arrived."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


class Collector:
    """Where it listens, and the spans so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._spans: list[Collected] = []
        self._changed = threading.Condition()

    def environ(self) -> dict[str, str]:
        """What tells a server to send its spans here, and not to wait for more of them."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}

    def spans(self, count: int) -> list[Collected]:
        """All spans, as soon as there are so many, in the order in which they ended."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self._spans) >= count, PATIENCE_SECONDS)
            assert came, f"{len(self._spans)} of {count} spans came: {self._spans}"
            return list(self._spans)

    def take(self, path: str, document: bytes) -> None:
        assert path == "/v1/traces"
        arrived = ExportTraceServiceRequest.FromString(document)
        found = [
            _collected(span, {one.key: _value(one.value) for one in group.resource.attributes})
            for group in arrived.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        with self._changed:
            self._spans += found
            self._changed.notify_all()


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector until the context ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    collector = _Handler.collectors[server.server_port] = Collector(
        f"http://127.0.0.1:{server.server_port}"
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        del _Handler.collectors[server.server_port]


class _Handler(BaseHTTPRequestHandler):
    collectors: dict[int, Collector] = {}  # noqa: RUF012

    def do_POST(self) -> None:
        assert isinstance(self.server, ThreadingHTTPServer)
        document = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            document = gzip.decompress(document)
        self.collectors[self.server.server_port].take(self.path, document)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def _collected(span: Span, resource: Mapping[str, Any]) -> Collected:
    return Collected(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        attributes={one.key: _value(one.value) for one in span.attributes},
        resource=resource,
    )


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
