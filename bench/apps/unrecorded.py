"""Our application as it would be without metrics; with `LLM_PROXY_JOURNAL=off`, without records.

There is no setting for it, as nobody else has a use for one.
"""

from typing import Any

from flask import Flask

from llm_proxy import app as composition
from llm_proxy import edge

_install = edge.install


def _install_unobserved(*arguments: Any, **named: Any) -> None:
    _install(*arguments, **named | {"observers": ()})


def _composed() -> Flask:
    edge.install = _install_unobserved
    try:
        return composition.composed()
    finally:
        edge.install = _install


app = _composed()
