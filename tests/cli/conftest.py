"""The command line run in this process, in an empty working folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nas.cli import main
from tests.fabricated import fabricate


@dataclass
class Ended:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


Nas = Callable[..., Ended]


@pytest.fixture
def nas(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nas:
    """Runs `nas` with some words."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.delenv("NAS_DEBUG", raising=False)

    def run(*words: str | Path) -> Ended:
        status = main([str(word) for word in words])
        return Ended(status, *capsys.readouterr())

    return run


@pytest.fixture
def refused(nas: Nas, tmp_path: Path) -> Callable[..., str]:
    """Runs `nas` with words that are wrong: exit 2, one message without a traceback, no file written or changed."""

    def run(*words: str | Path) -> str:
        before = _files(tmp_path)
        ended = nas(*words)
        assert ended.status == 2, ended
        assert ended.out == ""
        assert ended.err.startswith("nas: ")
        assert [line for line in ended.err.splitlines()[1:] if line.startswith("nas: ")] == []
        assert "Traceback" not in ended.err
        assert _files(tmp_path) == before
        return ended.err.removeprefix("nas: ").strip()

    return run


@pytest.fixture(scope="session")
def fabricated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fabricated")
    fabricate(folder)
    return folder


@pytest.fixture
def storage(fabricated: Path, tmp_path: Path) -> str:
    """URL of a database of the test's own with the fabricated study `cells`."""
    copied = shutil.copytree(fabricated, tmp_path / "stored")
    return f"sqlite:///{copied}/nas.db"


def _files(folder: Path) -> dict[str, bytes]:
    # SQLite's own side files (-wal, -shm) come and go with readers.
    files = [f for f in folder.rglob("*") if f.is_file() and not f.name.endswith(("-wal", "-shm"))]
    return {str(file): file.read_bytes() for file in files}
