"""The verbs on a finished database that is mounted read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from nas.service.dashboard import app
from nas.storage import open_store
from tests.cli.conftest import Nas
from tests.exports.studies import WINNER, StoredStudy, measured
from tests.storage.test_read_only import mount


@contextmanager
def mounted(folder: Path) -> Iterator[str]:
    """The URL of the database in a folder, while nothing in that can be written."""
    if not mount("--bind", folder, folder):
        pytest.skip("mounting a folder read-only takes the right to mount: root, outside most containers")
    try:
        assert mount("-o", "remount,bind,ro", folder)
        yield f"sqlite:///{folder}/nas.db"
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def archived(storage: str) -> Iterator[str]:
    with mounted(Path(storage.removeprefix("sqlite:///")).parent) as url:
        yield url


@pytest.mark.parametrize(
    "words",
    [
        ["ls"],
        ["show", "cells"],
        ["show", "cells", "1"],
        ["cost", "cells:1"],
    ],
    ids=" ".join,
)
def test_verbs_read_it(words: list[str], nas: Nas, archived: str) -> None:
    done = nas(*words, "--storage", archived)
    assert (done.status, done.err) == (0, "")


def test_an_export_takes_the_weights_from_it(nas: Nas, tmp_path: Path) -> None:
    folder = tmp_path / "archived"
    folder.mkdir()
    made = StoredStudy(folder)
    made.add(measured(WINNER), {"ap": 0.4})
    made.store.close()
    with mounted(folder) as url:
        done = nas("export", "pets", "-o", "out", "--storage", url)
    assert (done.status, done.err) == (0, "")
    assert Path("out/weights.safetensors").exists()


def test_the_dashboard_reads_it(archived: str) -> None:
    with open_store(archived, create=False) as store, TestClient(app(store)) as client:
        (study,) = client.get("/api/studies").json()["study_summaries"]
        assert study["study_name"] == "cells"
        assert client.get(f"/api/studies/{study['study_id']}?after=0").status_code == 200


@pytest.mark.parametrize(
    "words", [["launch", "cells"], ["launch", "quickstart"], ["proxy", "cells"], ["dashboard", "--write"]], ids=" ".join
)
def test_verbs_that_write_say_so(words: list[str], refused: Callable[..., str], archived: str) -> None:
    reported = refused(*words, "--storage", archived)
    assert "cannot be written; copy the database to a folder that can" in reported
    assert "\n" not in reported
