"""The metrics of a server: `GET /metrics`, as Prometheus scrapes it.

Flask code; what is counted is told by `meters`.
"""

from flask import Blueprint, Response, request

from llm_proxy.metrics.counted import Counted


def blueprint(counted: Counted) -> Blueprint:
    """The one route, whose answer is in the form that the client accepts best."""
    metrics = Blueprint("metrics", __name__)

    def scrape() -> Response:
        text, content_type = counted.exposed(request.headers.get("Accept", ""))
        return Response(text, content_type=content_type)

    metrics.add_url_rule("/metrics", "scrape", scrape)
    return metrics
