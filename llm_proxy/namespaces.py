"""Namespaces: whose request it is, so that parallel tests can share one server."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache


def namespace_of(headers: Mapping[str, str]) -> str:
    """The namespace of a request: what `X-Mock-Namespace` says, else that of its API key.

    Empty for a request that has neither. The names of `headers` are in lower case.
    """
    named = headers.get("x-mock-namespace", "").strip()
    return named or key_namespace(bearer_key(headers))


def bearer_key(headers: Mapping[str, str]) -> str:
    """The API key of a request (RFC 6750, 2.1: Authorization: Bearer), or an empty string."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


@lru_cache(maxsize=256)
def key_namespace(key: str) -> str:
    """The namespace of an API key: a fingerprint, as the key itself is never written down."""
    return f"key-{hashlib.sha256(key.encode()).hexdigest()[:16]}" if key else ""
