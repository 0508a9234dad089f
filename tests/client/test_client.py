from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nas
from nas.client import Client
from nas.client.answers import Conflict, NotFound, ServerFailed
from nas.errors import SpecError, UserError
from nas.service.settings import Settings
from tests.exports.studies import WINNER, StoredStudy, measured
from tests.fabricated import fabricate
from tests.service.conftest import token
from tests.service.served import listening


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("client")
    url = fabricate(folder)
    pets = StoredStudy(folder)
    pets.add(measured(WINNER), {"ap": 0.4})
    pets.store.close()
    return url


@pytest.fixture(scope="module")
def server(url: str) -> Iterator[str]:
    with listening(Settings(storage=url, jobs=0)) as address:
        yield address


def test_it_needs_no_torch_and_no_database() -> None:
    code = "import sys, nas.client; print(*{'torch', 'sqlalchemy', 'optuna', 'ray', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_it_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAS_SERVER", raising=False)
    for address in (None, "", "localhost:8080"):
        with pytest.raises(UserError, match="give the address of a service"):
            Client(address)


def test_studies_are_posted_looked_at_and_deleted(server: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("task: {kind: detection, data: {kind: digits}}\n")
    with nas.Client(server) as client:
        job = client.launch(file, sets=["budget.trials=2"])
        assert (job["study"], job["state"]) == ("mine", "queued")
        assert client.launch({"name": "b", "task": {"kind": "detection", "data": {"kind": "digits"}}})["position"] == 1
        assert client.launch("quickstart", name="c")["study"] == "c"
        assert client.studies()["queued"] == ["mine", "b", "c"]
        assert client.job(job["id"])["study"] == "mine"
        with pytest.raises(Conflict, match="waits or runs already"):
            client.launch(file)
        assert client.cancel("mine") == {"study": "mine", "cancelled": [job["id"]]}
        client.delete("mine")
        with pytest.raises(NotFound, match="there is no study 'mine'"):
            client.study("mine")
        assert client.study("cells")["best"][0]["trial"] == 3
        assert client.trial("cells", 3)["values"]["ap"] == 0.372
        assert [trial["trial"] for trial in client.trials("cells")] == list(range(10))
        assert client.result("cells")["study"] == "cells"


def test_all_faults_come_back(server: str) -> None:
    with Client(server) as client, pytest.raises(SpecError) as caught:
        client.launch({"name": "x", "task": {"kind": "detection", "data": {"kind": "digits"}, "epochs": 0}, "y": 1})
    assert [fault.path for fault in caught.value.faults] == ["task.epochs", "y"]


@pytest.mark.slow
def test_an_export_is_loaded_without_the_study(server: str, tmp_path: Path) -> None:
    with Client(server) as client:
        written = client.export("pets", tmp_path / "pets")
    assert written["files"] == ["README.md", "config.yaml", "drawing.svg", "weights.safetensors"]
    assert (written["study"], written["trial"]) == ("pets", 0)
    assert nas.load(tmp_path / "pets") is not None


def test_a_service_that_is_not_there_fails_in_a_sentence() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(ServerFailed, match=r"does not answer: .*refused"):
        client.studies()


def test_a_token_opens_the_door(server: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = token(url, "read")
    with Client(server) as client, pytest.raises(UserError, match="needs a token"):
        client.studies()
    monkeypatch.setenv("NAS_TOKEN", headers["Authorization"].removeprefix("Bearer "))
    with Client(server) as client:
        assert client.study("cells")["study"] == "cells"
        with pytest.raises(UserError, match="needs a token with scope write"):
            client.cancel("cells")
