from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from nas.service.app import build
from nas.service.settings import Settings
from nas.storage import open_store
from nas.storage.tokens import Scope, Tokens
from tests.fabricated import fabricate


@pytest.fixture
def url(tmp_path: Path) -> str:
    return fabricate(tmp_path)


@pytest.fixture
def settings(url: str, tmp_path: Path) -> Settings:
    """A service that only answers."""
    root = tmp_path / "roots" / "data"
    root.mkdir(parents=True)
    return Settings(storage=url, data_roots=(root,), jobs=0)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return build(settings, loopback=True, say=lambda line: None)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Somebody on the service's machine, where there is no token yet."""
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def token(url: str, scope: Scope, name: str = "") -> dict[str, Any]:
    """Headers with a new token."""
    with open_store(url, create=True) as store:
        return {"Authorization": f"Bearer {Tokens.of(store).create(scope, name)[1]}"}
