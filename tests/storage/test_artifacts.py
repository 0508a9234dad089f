from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from nas.errors import StoreError
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


def test_same_bytes_are_one_file_that_goes_with_the_last_artifact(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        store.put_artifact("a", "weights", b"tensors")
        store.put_artifact("b", "weights", b"tensors")
        assert len(files(tmp_path / "nas-artifacts")) == 1
        store.drop_artifact("a", "weights")
        assert store.get_artifact("b", "weights") == b"tensors"
        store.drop_artifact("b", "weights")
        assert files(tmp_path / "nas-artifacts") == []


def test_a_replaced_artifact_takes_its_file_along(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        for data in (b"old", b"new", b"new"):
            store.put_artifact("pets", "backbone", data)
        assert store.get_artifact("pets", "backbone") == b"new"
        assert len(files(tmp_path / "nas-artifacts")) == 1


def test_artifacts_of_an_earlier_folder_are_found(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    for name in ("one", "two"):
        with open_store(url, create=True, artifacts=tmp_path / name) as store:
            store.put_artifact(name, "weights", name.encode())
    with open_store(url, create=False) as store:
        assert store.get_artifact("one", "weights") == b"one"
        assert store.get_artifact("two", "weights") == b"two"
    assert not (tmp_path / "nas-artifacts").exists()


def test_damage_is_reported_with_the_file(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        store.put_artifact("pets", "backbone", b"tensors")
        file = files(tmp_path / "nas-artifacts")[0]
        file.write_bytes(b"tensorz")
        with pytest.raises(StoreError, match=rf"the backbone of pets \(.*{file.name}\) is damaged"):
            store.get_artifact("pets", "backbone")
        file.unlink()
        with pytest.raises(StoreError, match=rf"{file.name}\) cannot be read: No such file"):
            store.get_artifact("pets", "backbone")


def test_a_damaged_file_is_mended_by_writing_it_again(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        store.put_artifact("pets", "backbone", b"tensors")
        files(tmp_path / "nas-artifacts")[0].write_bytes(b"")
        store.put_artifact("pets", "backbone", b"tensors")
        assert store.get_artifact("pets", "backbone") == b"tensors"


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(StoreError, match="cannot be written: No space left on device"):
            store.put_artifact("pets", "backbone", b"tensors")
        assert files(tmp_path / "nas-artifacts") == []
        assert store.get_artifact("pets", "backbone") is None
