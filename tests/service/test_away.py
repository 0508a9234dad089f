"""A database that goes away under a service."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from nas.service import stores
from nas.service.app import build
from nas.service.settings import Settings
from tests.postgres import PASSWORD, Server
from tests.service.test_studies import post


@pytest.mark.postgres
def test_requests_are_answered_with_503_until_the_database_is_back(
    postgres: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "WAIT_SECONDS", 0.2)
    settings = Settings(storage=postgres_url, artifacts=str(tmp_path), jobs=0)
    app = build(settings, loopback=True, say=lambda line: None)
    with TestClient(app, base_url="http://localhost") as client:
        assert post(client).status_code == 201
        postgres.stop()
        try:
            for path in ("/v1/studies", "/readyz", "/v1/studies/small"):
                answer = client.get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
                assert PASSWORD not in answer.text
                assert "postgresql" not in answer.text
            assert client.get("/healthz").status_code == 200
        finally:
            postgres.start()
        assert client.get("/v1/studies/small").json()["state"] == "queued"
