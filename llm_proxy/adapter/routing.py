"""Routing: which of several upstreams answers, by the model that a request names."""

from collections.abc import Mapping
from contextlib import closing

from llm_proxy.adapter.local_answers import WithLocalTasks
from llm_proxy.adapter.source import LegacySource
from llm_proxy.adapter.tasks import KNOWN
from llm_proxy.adapter.upstream import Upstream
from llm_proxy.core.chat_request import ChatRequest
from llm_proxy.core.reply import ASIDES, Events, Source, Stamped
from llm_proxy.settings import AdapterSettings


class Routed:
    """The sources of all models. A model that is none of them is answered by the first.

    Clients have models of their own to choose from, and a search has no better answer to one
    name than to another.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._first = next(iter(sources))

    def reply(self, request: ChatRequest) -> Events:
        """The reply of the source of the model that is named."""
        model = request.model if request.model in self._sources else self._first
        yield from self._sources[model].reply(request)


def source_of(settings: AdapterSettings, upstream: Upstream) -> Source:
    """The source of one upstream, relieved of tasks where its settings say so."""
    source: Source = _Named(settings.model, LegacySource(settings, upstream))
    if settings.local_tasks:
        source = WithLocalTasks(source, (*settings.tasks, *KNOWN))
    return source


class _Named:
    """A source whose replies tell where they come from, once there is an answer."""

    def __init__(self, name: str, source: Source) -> None:
        self._name = name
        self._source = source

    def reply(self, request: ChatRequest) -> Events:
        answered = False
        with closing(self._source.reply(request)) as events:
            for event in events:
                if not answered and not isinstance(event, ASIDES):
                    answered = True
                    yield Stamped(origin=self._name)
                yield event
