"""The service does what its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from nas.service.lock.scopes import is_open

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

KNOWN = {"name": "cells", "number": 3, "study": "quickstart"}

SLOW = {"/v1/studies/{name}/events", "/v1/studies/{name}/export", "/v1/studies/{name}/report"}
"""A stream without an end, and processes for each request: they have tests of their own."""


def test_every_route_describes_its_scope_and_problems(app: FastAPI) -> None:
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            if is_open(method.upper(), path):
                assert "security" not in route
                continue
            assert route["security"] == [{"token": []}], (method, path)
            assert route["x-scope"] in ("read", "write", "admin")
            assert {"401", "403", "429"} <= set(route["responses"])
    Draft202012Validator.check_schema({"$defs": document["components"]["schemas"]})


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_finds_a_server_error_or_breaks_the_document(
    app: FastAPI, client: TestClient, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(app.openapi())
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 25
    for operation in operations:
        if operation.path not in SLOW:
            for path in (KNOWN, None) if operation.path_parameters else (None,):
                _ask(client, operation, mode, path)


def _ask(client: TestClient, operation: Any, mode: GenerationMode, path: dict[str, Any] | None) -> None:
    """Ask one route a few times; `path` are parameters of its path that name something."""
    names = {parameter.name for parameter in operation.path_parameters}
    given_path = {name: value for name, value in (path or {}).items() if name in names} or None

    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=given_path))
    def ask(case: schemathesis.Case) -> None:
        words = case.as_transport_kwargs(base_url="http://localhost")
        words["headers"] = {k: v for k, v in words["headers"].items() if k not in ("Authorization", "Host")}
        sent = {name: value for name, value in words.items() if name in ("method", "url", "params", "headers", "json")}
        answer = client.request(content=words.get("data"), **sent)
        case.validate_response(answer, checks=CHECKS)

    with suppress(Unsatisfiable):  # nothing about this route can be wrong
        ask()
