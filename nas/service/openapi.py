"""The OpenAPI document of the service: with what the middleware may answer, and the scope that each route needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from nas.service.lock.scopes import is_open, needed_scope
from nas.service.problems import Problem, described


class RouteLine(NamedTuple):
    """A route in a table. `scope` is `-` where no token is needed."""

    method: str
    path: str
    scope: str
    about: str


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application, made at the first call."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = made["components"]
        parts["schemas"]["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts["schemas"] |= parts["schemas"]["Problem"].pop("$defs", {})
        parts["schemas"].pop("HTTPValidationError", None)
        parts["schemas"].pop("ValidationError", None)
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, methods in made["paths"].items():
            for method, route in methods.items():
                _complete(route, method.upper(), path)
        app.openapi_schema = made
    return app.openapi_schema


def route_lines(app: FastAPI) -> Iterator[RouteLine]:
    """The routes under /v1 and about the service, with what they do in a line."""
    for path, methods in document(app)["paths"].items():
        for method, route in methods.items():
            about = route["description"].partition("\n")[0]
            yield RouteLine(method.upper(), path, route.get("x-scope", "-"), about)


def _complete(route: dict[str, Any], method: str, path: str) -> None:
    own = route["responses"]
    if is_open(method, path):
        own |= described(403, 429) if method != "GET" else {}
    else:
        own |= described(401, 403, 429, 503)
        route["security"] = [{"token": []}]
        route["x-scope"] = needed_scope(method, path)
    if "parameters" in route or "requestBody" in route:
        own |= described(422)
    if "requestBody" in route:
        own |= described(400, 408, 413)
