"""Tracing with OpenTelemetry: the packages for it are optional, and it is off by default."""
