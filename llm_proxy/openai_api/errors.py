"""OpenAI's error shape: the one place where an error is written down."""

import msgspec

from llm_proxy.errors import ProxyError

MEDIA_TYPE = "application/json"


def error_body(error: ProxyError) -> bytes:
    """The JSON document `{"error": {"message", "type", "param", "code"}}`."""
    return msgspec.json.encode(
        {
            "error": {
                "message": error.message,
                "type": error.type,
                "param": error.param,
                "code": error.code,
            }
        }
    )
