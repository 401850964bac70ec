"""Our application as it would be without metrics; with `LLM_PROXY_JOURNAL=off`, without records.

There is no setting for it, as nobody else has a use for one.
"""

from dataclasses import replace
from typing import Any

from llm_proxy import app as composition
from llm_proxy.shell.edge import Edge


def _unobserved(**parts: Any) -> Edge:
    return replace(Edge(**parts), observers=())


setattr(composition, "Edge", _unobserved)  # noqa: B010

app = composition.composed()
