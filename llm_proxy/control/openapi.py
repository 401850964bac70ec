"""The control API as an OpenAPI document (OpenAPI Specification, 3.1.0), made of its table."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from llm_proxy.control.calls import MEDIA_TYPE
from llm_proxy.control.report import Report
from llm_proxy.control.route import Route
from llm_proxy.journal.entry import Entry

_REFERENCE = "#/components/schemas/{name}"
_NAME = re.compile(r"<(\w+)>")

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def openapi(routes: Iterable[Route], *, keys: bool) -> dict[str, Any]:
    """The document; `keys` says whether the server asks for one."""
    table = list(routes)
    shapes = [shape for route in table for shape in route.bodies]
    _, schemas = msgspec.json.schema_components([*shapes, Entry, Report], ref_template=_REFERENCE)
    schemas["Summary"] = _without_request(schemas["Entry"])
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        path = "/control" + _NAME.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "LLM Proxy: control API", "version": "1"},
        "paths": paths,
        "components": {"schemas": {**schemas, "Error": ERROR}},
    }
    if keys:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document


def _operation(route: Route) -> Mapping[str, Any]:
    refused = {"description": "It is refused", "content": _content(_named("Error"))}
    told = _answers().get((route.method, route.path), {})
    answered: dict[str, Any] = {"description": route.summary}
    answered["content"] = {route.answer: {"schema": told} if told else {}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _id(route),
        "parameters": [
            *[_parameter(name, "path") for name in _NAME.findall(route.path)],
            *[_parameter(name, "query") for name in route.query],
        ],
        "responses": {_status(route): answered, "default": refused},
    }
    if route.bodies:
        shapes = [_named(shape.__name__) for shape in route.bodies]
        schema: Mapping[str, Any] = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        operation["requestBody"] = {"required": True, "content": _content(schema)}
    return operation


def _answers() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """The answers that have a shape with a name."""
    entries = {"type": "array", "items": _named("Summary")}
    return {
        ("GET", "/requests"): {"type": "object", "properties": {"data": entries}},
        ("GET", "/requests/<name>"): _named("Entry"),
        ("GET", "/report"): _named("Report"),
    }


def _without_request(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of an entry as it is listed: its request is there unless `brief` is asked for."""
    required = [name for name in entry["required"] if name != "request"]
    return {**entry, "title": "Summary", "required": required}


def _status(route: Route) -> str:
    return "201" if route.method == "POST" and route.path in ("/fixtures", "/faults") else "200"


def _id(route: Route) -> str:
    return "_".join([route.method.lower(), *re.findall(r"\w+", route.path)])


def _parameter(name: str, place: str) -> Mapping[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}


def _named(name: str) -> Mapping[str, str]:
    return {"$ref": _REFERENCE.format(name=name)}


def _content(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {MEDIA_TYPE: {"schema": schema}}
