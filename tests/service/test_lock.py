"""The lock: every route is behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from nas.service.lock.scopes import OPEN, is_open, needed_scope
from nas.service.lock.sessions import COOKIE, CSRF_HEADER
from nas.service.problems import MEDIA
from nas.service.settings import Settings
from tests.service.conftest import token
from tests.service.test_dashboard import rules

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every route of the service, and every one of Optuna's dashboard, with a 1 in place of each parameter."""
    for route in iter_route_contexts(app.routes):
        path = re.sub(r"\{[^}]+\}", "1", route.path or "/")
        yield from ((method, path) for method in sorted(route.methods or METHODS))
    yield from ((method, path.replace("<:re:.*>", "x")) for method, path in rules(*METHODS))
    yield from [("GET", "/"), ("GET", "/openapi.json"), ("GET", "/no/such/path"), ("POST", "/no/such/path")]


def test_every_route_without_a_token_answers_401(app: FastAPI, client: TestClient, url: str) -> None:
    token(url, "read")
    asked = list(routes(app))
    assert len(asked) > 60
    for method, path in asked:
        if is_open(method, path):
            continue
        answer = client.request(method, path)
        assert answer.status_code == 401, (method, path)
        assert (answer.headers["www-authenticate"], answer.headers["content-type"]) == ("Bearer", MEDIA)


def test_nothing_but_probes_and_the_login_is_open() -> None:
    assert {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/login"), ("POST", "/v1/session")} == OPEN
    assert is_open("GET", "/assets/style.css")
    assert not is_open("POST", "/assets/style.css")


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}, {"Cookie": f"{COOKIE}=x"}]
)
def test_what_is_no_token_opens_nothing(client: TestClient, url: str, headers: dict[str, str]) -> None:
    token(url, "admin")
    assert client.get("/v1/studies", headers=headers).status_code == 401


def test_scopes_are_asked_for(app: FastAPI, client: TestClient, url: str) -> None:
    read, write, admin = token(url, "read"), token(url, "write"), token(url, "admin")
    for method, path in routes(app):
        needed = needed_scope(method, path)
        refused = {"read": [], "write": [read], "admin": [read, write]}[needed] if (method, path) not in OPEN else []
        for headers in refused:
            assert client.request(method, path, headers=headers).status_code == 403, (method, path)
    assert client.get("/v1/tokens", headers=admin).status_code == 200
    assert client.get("/v1/studies", headers=read).status_code == 200


def test_a_revoked_token_opens_nothing_more(client: TestClient, url: str) -> None:
    admin, read = token(url, "admin"), token(url, "read", "victim")
    [victim] = [t for t in client.get("/v1/tokens", headers=admin).json()["tokens"] if t["name"] == "victim"]
    assert client.delete(f"/v1/tokens/{victim['id']}", headers=admin).json()["revoked"] is not None
    assert client.get("/v1/studies", headers=read).status_code == 401


def test_a_browser_logs_in_and_needs_the_csrf_secret_for_changes(client: TestClient, url: str) -> None:
    text = token(url, "write")["Authorization"].removeprefix("Bearer ")
    assert client.post("/v1/session", json={"token": "nas_0_1"}).status_code == 401
    answer = client.post("/v1/session", json={"token": text})
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert "Secure" not in cookie
    csrf = answer.json()["csrf"]
    assert client.get("/v1/studies").status_code == 200
    assert client.get("/v1/session").json() == {"scope": "write", "csrf": csrf}
    assert client.post("/v1/studies/cells/resume").status_code == 403
    assert client.post("/v1/studies/cells/resume", headers={CSRF_HEADER: "x"}).status_code == 403
    assert client.post("/v1/studies/cells/resume", headers={CSRF_HEADER: csrf}).status_code == 201
    assert client.delete("/v1/session", headers={CSRF_HEADER: csrf}).status_code == 204
    assert client.get("/v1/studies").status_code == 401


def test_the_cookie_is_secure_behind_tls(app: FastAPI, url: str) -> None:
    text = token(url, "read")["Authorization"].removeprefix("Bearer ")
    with TestClient(app, base_url="https://localhost") as client:
        assert "Secure" in client.post("/v1/session", json={"token": text}).headers["set-cookie"]


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_site_changes_nothing(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/v1/studies/cells/resume", headers=headers).status_code == 403
    same = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/v1/studies/cells/resume", headers=same).status_code == 201


@pytest.mark.parametrize("host", ["evil.test", "evil.test:80", "localhost.evil.test", ""])
def test_without_a_token_other_names_of_this_machine_are_refused(client: TestClient, host: str) -> None:
    assert client.get("/v1/studies", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1", "[::1]:8080", "[::1]"])
def test_the_loopback_names_are_known(client: TestClient, host: str) -> None:
    assert client.get("/v1/studies", headers={"Host": host}).status_code == 200


def test_answers_say_what_a_browser_may_do(client: TestClient) -> None:
    for path in ("/v1/studies", "/docs", "/no/such/path"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in policy
    policy = client.get("/docs").headers["content-security-policy"]
    assert re.search(r"script-src 'self'(;|$)", policy)


def test_optuna_changes_nothing_unless_the_operator_allows_it(client: TestClient) -> None:
    assert client.get("/api/studies").status_code == 200
    assert client.delete("/api/studies/1").status_code == 405


def test_optunas_changes_need_a_token_that_may_write(url: str, settings: Settings) -> None:
    from dataclasses import replace

    from nas.service.app import build

    app = build(replace(settings, optuna_writes=True), loopback=True, say=lambda line: None)
    read, write = token(url, "read"), token(url, "write")
    with TestClient(app, base_url="http://localhost") as client:
        note = {"version": 1, "body": "mine"}
        assert client.put("/api/studies/1/note", json=note, headers=read).status_code == 403
        assert client.put("/api/studies/1/note", json=note, headers=write).status_code == 204
