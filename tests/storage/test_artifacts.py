"""Artifacts beside the database. What they promise wherever they lie is in `test_folders`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from nas.storage import open_store


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_files_lie_beside_the_database_under_their_hash(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        store.put_artifact("pets", "backbone", b"tensors")
    folder = tmp_path / "nas-artifacts"
    assert files(folder) == [folder / hashlib.sha256(b"tensors").hexdigest()]


def test_a_database_and_its_folder_can_be_moved_together(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    with open_store(f"sqlite:///{here}/nas.db", create=True) as store:
        store.put_artifact("pets", "backbone", b"tensors")
    here.rename(there)
    with open_store(f"sqlite:///{there}/nas.db", create=False) as store:
        assert store.get_artifact("pets", "backbone") == b"tensors"


def test_artifacts_of_an_earlier_folder_are_found(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    for name in ("one", "two"):
        with open_store(url, create=True, artifacts=tmp_path / name) as store:
            store.put_artifact(name, "weights", name.encode())
    with open_store(url, create=False) as store:
        assert store.get_artifact("one", "weights") == b"one"
        assert store.get_artifact("two", "weights") == b"two"
    assert not (tmp_path / "nas-artifacts").exists()
