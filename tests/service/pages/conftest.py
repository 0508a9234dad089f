from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from nas.service.app import build
from nas.service.settings import Settings
from nas.storage import open_store
from nas.storage.jobs import Jobs, NewJob
from tests.report.studies import every_kind


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database of `every_kind`, and a study that waits in the queue."""
    folder = tmp_path_factory.mktemp("pages")
    with open_store(every_kind(folder), create=True) as store:
        text = "name: later\ntask: {kind: detection, data: {kind: digits}}\n"
        Jobs.of(store).post(NewJob(study="later", text=text))
    return folder


@pytest.fixture
def url(studies: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copytree(studies, tmp_path / 'stored')}/nas.db"


@pytest.fixture
def app(url: str) -> FastAPI:
    return build(Settings(storage=url, jobs=0), loopback=True, say=lambda line: None)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A browser on the service's machine, where there is no token yet."""
    with TestClient(app, base_url="http://localhost", headers={"Accept": "text/html"}) as client:
        yield client
