"""How the control API answers: JSON, and lists in the form of OpenAI's.

Flask code.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from flask import Response

from llm_proxy.control import calls


def document(content: Mapping[str, Any], status: int = 200) -> Response:
    """An answer that is one JSON object."""
    return Response(msgspec.json.encode(content), status, mimetype=calls.MEDIA_TYPE)


def listed(items: Sequence[object], status: int = 200, **more: Any) -> Response:
    """An answer that is a list; `more` stands beside it."""
    return document({"object": "list", "data": items, **more}, status)
