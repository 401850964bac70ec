"""Whether traces are wanted, as the variables tell that OpenTelemetry has for it.

They are those of its specification (Environment Variable Specification; OTLP Exporter), which
an operator may have set for every service alike. Imports nothing of OpenTelemetry.
"""

from collections.abc import Mapping
from importlib.util import find_spec

EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

PROTOCOL = "http/protobuf"
"""The one that is spoken here; the specification's default, too."""


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether there is somewhere to send traces to, and nothing that forbids it."""
    return _asking(environ) is not None


def problems(environ: Mapping[str, str]) -> list[str]:
    """What keeps traces that are wanted from being sent, each thing as a line."""
    asking = _asking(environ)
    if asking is None:
        return []
    found = []
    exporter = environ.get(EXPORTER, "")
    if exporter not in ("", "otlp"):
        found.append(f"{EXPORTER}: {exporter!r} is not one of otlp, none")
    name = next((name for name in PROTOCOLS if environ.get(name)), None)
    if name is not None and environ[name] != PROTOCOL:
        found.append(f"{name}: {environ[name]!r} is not spoken here; {PROTOCOL} is")
    if not all(map(_installed, PACKAGES)):
        found.append(
            f"{asking}: traces need packages that are not installed; "
            "install this one with its extra 'tracing'"
        )
    return found


def _asking(environ: Mapping[str, str]) -> str | None:
    """The variable that asks for traces, if they are wanted."""
    exporter = environ.get(EXPORTER, "").strip()
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return None
    return EXPORTER if exporter else next((name for name in ENDPOINTS if environ.get(name)), None)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even what it is in
        return False
