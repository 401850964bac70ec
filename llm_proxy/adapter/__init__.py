"""The adapter: the legacy search API behind OpenAI's API. Never imports the mock."""

from typing import NoReturn

from flask import Blueprint

from llm_proxy import serving
from llm_proxy.adapter.source import LegacySource
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.errors import NotServed
from llm_proxy.limits import Unlimited
from llm_proxy.openai_api.resource import Call, Resource
from llm_proxy.settings import AdapterSettings, ServerSettings
from llm_proxy.store import Store
from llm_proxy.tokenizers import Characters

NOT_SERVED = ("/embeddings", "/moderations", "/rerank")
"""OpenAI's routes that a search API has no answer to."""


def blueprint(settings: AdapterSettings, server: ServerSettings, store: Store) -> Blueprint:
    """The routes of the adapter, to be mounted below any base."""
    source = LegacySource(settings, Upstream(settings))
    refused = [Resource("POST", path, _refuse) for path in NOT_SERVED]
    return serving.half(
        "adapter",
        source,
        server,
        refused,
        store=store,
        model_ids=(settings.model,),
        tokenizer=Characters(),
        limits=Unlimited(),
    )


def _refuse(_: Call) -> NoReturn:
    raise NotServed(
        "The adapter answers chat requests only: the legacy search API behind it has no "
        "embeddings, moderations or ranks. Point this model's base URL at /mock/v1, or at a "
        "server that has them."
    )
