"""What artifacts promise wherever they lie. A test class inherits ArtifactsContract and gives the fixture `place`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from nas.errors import StoreError, StoreFailed
from nas.storage import Store, check_writable, open_store


class Place(Protocol):
    """Where the artifacts of a test lie, seen from outside.

    Attributes:
        given: what a user gives for `--artifacts`.
        name: how messages call the place.
    """

    given: str | Path | None
    name: str

    def files(self) -> dict[str, bytes]:
        """All files there by name."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file."""

    def lose(self, name: str) -> None:
        """Delete a file."""

    def refuse_writes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every write fail in its middle from now on."""


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class ArtifactsContract:
    @pytest.fixture
    def store(self, tmp_path: Path, place: Place) -> Iterator[Store]:
        with open_store(self.url(tmp_path), create=True, artifacts=place.given) as store:
            yield store

    def url(self, folder: Path) -> str:
        return f"sqlite:///{folder}/nas.db"

    def test_a_file_is_named_by_its_hash(self, store: Store, place: Place) -> None:
        store.put_artifact("pets", "backbone", b"tensors")
        assert place.files() == {name_of(b"tensors"): b"tensors"}
        assert store.get_artifact("pets", "backbone") == b"tensors"
        assert store.artifact_size("pets", "backbone") == 7
        assert store.get_artifact("pets", "weights") is None

    def test_a_reader_need_not_know_the_place(self, store: Store, place: Place, tmp_path: Path) -> None:
        store.put_artifact("pets", "backbone", b"tensors")
        with open_store(self.url(tmp_path), create=False) as reader:
            assert reader.get_artifact("pets", "backbone") == b"tensors"

    def test_same_bytes_are_one_file_that_goes_with_the_last_artifact(self, store: Store, place: Place) -> None:
        store.put_artifact("a", "weights", b"tensors")
        store.put_artifact("b", "weights", b"tensors")
        assert len(place.files()) == 1
        store.drop_artifact("a", "weights")
        assert store.get_artifact("b", "weights") == b"tensors"
        store.drop_artifact("b", "weights")
        assert place.files() == {}

    def test_a_replaced_artifact_takes_its_file_along(self, store: Store, place: Place) -> None:
        for data in (b"old", b"new", b"new"):
            store.put_artifact("pets", "backbone", data)
        assert store.get_artifact("pets", "backbone") == b"new"
        assert place.files() == {name_of(b"new"): b"new"}

    def test_damage_is_found_by_the_hash_and_named(self, store: Store, place: Place) -> None:
        store.put_artifact("pets", "backbone", b"tensors")
        file = name_of(b"tensors")
        assert store.damage("pets", "backbone") is None
        place.put(file, b"tensorz")
        named = re.escape(f"the backbone of pets ({place.name}/{file})")
        with pytest.raises(StoreError, match=f"^{named} is damaged: its content is not what was written$"):
            store.get_artifact("pets", "backbone")
        place.lose(file)
        with pytest.raises(StoreError, match=f"^{named} cannot be read: .+"):
            store.get_artifact("pets", "backbone")
        assert not store.has_sound_artifact("pets", "backbone"), "it is made again"
        store.put_artifact("pets", "backbone", b"tensors")
        assert store.has_sound_artifact("pets", "backbone")

    def test_what_is_gone_can_be_dropped(self, store: Store, place: Place) -> None:
        store.put_artifact("pets", "backbone", b"tensors")
        place.lose(name_of(b"tensors"))
        store.drop_artifact("pets", "backbone")
        assert store.get_artifact("pets", "backbone") is None

    def test_a_failed_write_leaves_nothing(
        self, store: Store, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        store.put_artifact("pets", "weights", b"whole")
        place.refuse_writes(monkeypatch)
        with pytest.raises(StoreFailed, match=re.escape(f"{place.name} cannot be written: ")):
            store.put_artifact("pets", "backbone", b"tensors")
        assert store.get_artifact("pets", "backbone") is None
        assert place.files() == {name_of(b"whole"): b"whole"}

    def test_it_may_be_looked_at_and_swept_before_a_launch(self, store: Store, place: Place, tmp_path: Path) -> None:
        check_writable(self.url(tmp_path), place.given)
        store.sweep_artifacts()
        store.put_artifact("pets", "weights", b"whole")
        store.sweep_artifacts()
        assert store.get_artifact("pets", "weights") == b"whole"
