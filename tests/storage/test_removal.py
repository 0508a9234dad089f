from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.storage import Store, open_store
from nas.storage.artifacts import Artifacts
from nas.storage.results import result
from nas.studies.records import Key
from tests.fabricated import EPOCHS, TASK, Fabric, architecture


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        yield store


def owner(width: int) -> str:
    return str(Key(digest=architecture(width).digest, task=TASK, seed=0, epochs=EPOCHS))


def test_a_study_goes_with_its_files_but_those_of_others_stay(store: Store, tmp_path: Path) -> None:
    for name, widths in (("cells", (8, 16)), ("pets", (16, 24))):
        fabric = Fabric(store, name)
        for width in widths:
            fabric.complete(width, ap=0.3)
            store.put_artifact(owner(width), "weights", f"of {width}".encode())
    store.put_artifact(owner(8).replace("/s0/", "/s2000/"), "outcomes-val", b"of a finalist")
    store.put_artifact("study/cells", "answer", b"{}")
    store.remove("cells")
    assert [study.name for study in store.studies()] == ["pets"]
    assert [study.study_name for study in store.optuna.get_all_studies()] == ["pets"]
    assert store.trials("cells") == []
    assert not store.has_artifact(owner(8), "weights")
    assert not store.has_artifact(owner(8).replace("/s0/", "/s2000/"), "outcomes-val")
    assert not store.has_artifact("study/cells", "answer")
    assert store.get_artifact(owner(16), "weights") == b"of 16"
    assert len([file for file in (tmp_path / "nas-artifacts").rglob("*") if file.is_file()]) == 2
    assert len(result(store, "pets").trained) == 2
    again = Fabric(store, "cells")
    again.complete(8, ap=0.3)
    assert len(result(store, "cells").trained) == 1


def test_a_study_that_runs_is_not_removed(store: Store) -> None:
    Fabric(store, "cells")
    with store.lease("cells"), pytest.raises(UserError, match="study 'cells' is running"):
        store.remove("cells")
    assert [study.name for study in store.studies()] == ["cells"]


def test_no_launch_begins_while_a_study_is_removed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fabric(store, "cells").complete(8, ap=0.3)
    store.put_artifact(owner(8), "weights", b"of 8")
    refused: list[str] = []
    drop = Artifacts.drop

    def dropped(self: Artifacts, owner: str, kind: str) -> None:
        with open_store(f"sqlite:///{tmp_path}/nas.db", create=False) as other:
            with pytest.raises(UserError, match="is running") as error:
                other.check_free("cells")
            refused.append(str(error.value))
        drop(self, owner, kind)

    monkeypatch.setattr(Artifacts, "drop", dropped)
    store.remove("cells")
    assert len(refused) == 1
    assert store.studies() == []
