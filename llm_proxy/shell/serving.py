"""The blueprint of one half: which routes it has, and which view answers each.

Flask code, as are `hooks` and the two blueprints.
"""

from collections.abc import Callable, Sequence

from flask import Blueprint, Response, g, request

from llm_proxy.core.reply import Source
from llm_proxy.core.tokenizers import Tokenizer
from llm_proxy.openai_api import models
from llm_proxy.openai_api.resource import Resource
from llm_proxy.openai_api.surfaces import STORED_RESOURCES, SURFACES
from llm_proxy.settings import ServerSettings
from llm_proxy.shell.front import View
from llm_proxy.shell.hooks import response_of
from llm_proxy.shell.incoming import current
from llm_proxy.shell.views import Limits, ResourceView, Views
from llm_proxy.store import Store


class Half(Blueprint):
    """The routes of one half. `views` are those of its surfaces, by path, as `front` calls them."""

    def __init__(self, name: str, import_name: str) -> None:
        super().__init__(name, import_name)
        self.views: dict[str, View] = {}


def half(
    name: str,
    source: Source,
    settings: ServerSettings,
    resources: Sequence[Resource],
    *,
    store: Store,
    model_ids: Sequence[str],
    tokenizer: Tokenizer,
    limits: Limits,
    dressed: Callable[[Resource], Resource] = lambda resource: resource,
    strict: bool = False,
) -> Half:
    """A blueprint that serves every surface from `source`, and `resources` beside them.

    It lists `model_ids`, and keeps replies in `store`. Every request is counted by `limits`.
    `dressed` may change what any resource answers. A `strict` half refuses what OpenAI refuses;
    another answers it, and the exchange can tell what OpenAI would have said.
    """
    blueprint = Half(name, __name__)
    views = Views(source, settings, store, model_ids, tokenizer, limits, strict)
    for surface in SURFACES:
        view = blueprint.views[surface.path] = views.of_surface(surface)
        blueprint.add_url_rule(
            surface.path, f"POST {surface.path}", _served(view), methods=["POST"]
        )
    listed = models.resources(model_ids, strict=strict)
    for resource in map(dressed, (*listed, *STORED_RESOURCES, *resources)):
        blueprint.add_url_rule(
            resource.path,
            f"{resource.method} {resource.path}",
            _asked(views.of_resource(resource)),
            methods=[resource.method],
        )
    return blueprint


def _served(view: View) -> Callable[[], Response]:
    """A view of a surface as Flask calls it."""
    return lambda: response_of(view(current(), g.exchange))


def _asked(view: ResourceView) -> Callable[..., Response]:
    """A view of a resource as Flask calls it."""
    return lambda **names: response_of(view(current(), g.exchange, names, request.args))
