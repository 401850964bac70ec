"""The adapter: the legacy search API behind OpenAI's API. Never imports the mock."""

from collections.abc import Sequence
from typing import NoReturn

from llm_proxy.adapter.account import Account
from llm_proxy.adapter.ratings import Ratings
from llm_proxy.adapter.routing import Routed, source_of
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.core.tokenizers import Characters
from llm_proxy.errors import NotServed, UpstreamError
from llm_proxy.limits import Unlimited
from llm_proxy.openai_api.resource import Answer, Call, Resource
from llm_proxy.settings import AdapterSettings, ServerSettings
from llm_proxy.shell import serving
from llm_proxy.store import Store

NOT_SERVED = ("/embeddings", "/moderations", "/rerank")
"""OpenAI's routes that a search API has no answer to."""


def blueprint(
    upstreams: Sequence[AdapterSettings], server: ServerSettings, store: Store
) -> serving.Half:
    """The routes of the adapter, to be mounted below any base."""
    asked = {settings.model: (settings, Upstream(settings)) for settings in upstreams}
    ratings = Ratings(asked)
    refused = [Resource("POST", path, _refuse) for path in NOT_SERVED]

    def rate(call: Call) -> Answer:
        account = Account()
        try:
            return Answer(body=ratings.passed_on(call.document, account), notes=(account.facts,))
        except UpstreamError as error:
            return Answer(error=error, notes=(account.facts,))

    return serving.half(
        "adapter",
        Routed({model: source_of(*one) for model, one in asked.items()}),
        server,
        [*refused, Resource("POST", "/feedback", rate)],
        store=store,
        model_ids=tuple(asked),
        tokenizer=Characters(),
        limits=Unlimited(),
    )


def _refuse(_: Call) -> NoReturn:
    raise NotServed(
        "The adapter answers chat requests only: the legacy search API behind it has no "
        "embeddings, moderations or ranks. Point this model's base URL at /mock/v1, or at a "
        "server that has them."
    )
