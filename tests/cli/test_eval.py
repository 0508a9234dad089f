from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.exports import export_study
from tests.cli.conftest import Nas
from tests.exports.studies import CLASSES, WINNER, StoredStudy, measured
from tests.tasks.data.folders import voc_object, write_voc


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """An export and data for it."""
    made = StoredStudy(tmp_path)
    made.add(measured(WINNER), {"ap": 0.4})
    export_study(made.store, "pets", tmp_path / "export")
    made.store.close()
    objects = [voc_object(name, (4, 6, 30, 40)) for name in CLASSES]
    animals = write_voc(tmp_path / "animals", dict.fromkeys("abcd", objects), val=["c", "d"])
    return str(tmp_path / "export"), str(animals)


def test_metrics_as_lines_and_as_json(nas: Nas, folders: tuple[str, str]) -> None:
    lines = nas("eval", *folders).out.splitlines()
    assert lines[0] == f"2 images of {folders[1]} (voc, val):"
    found = nas("eval", *folders, "--json").json
    assert [line.split()[0] for line in lines[1:]] == list(found["metrics"])
    assert (found["images"], found["kind"], found["split"]) == (2, "voc", "val")


def test_classes_without_objects_are_named(nas: Nas, folders: tuple[str, str]) -> None:
    for file in Path(folders[1], "Annotations").glob("*.xml"):
        file.write_text(file.read_text().replace("<name>owl</name>", "<name>Owl</name>"))
    shown = nas("eval", *folders)
    assert "data: no object of the class owl (did you mean Owl?) in val: metrics are over the others" in shown.err
    assert "data: objects of Owl are left out: the export does not know them" in shown.err
    found = nas("eval", *folders, "--json").json
    assert (found["absent"], found["unknown"]) == (["owl"], ["Owl"])


def test_images_for_tests(nas: Nas, folders: tuple[str, str], refused: Callable[..., str]) -> None:
    assert "has no images for tests that can be used" in refused("eval", *folders, "--split", "test")
    for part, names in {"train": "a", "test": "b"}.items():
        Path(folders[1], f"ImageSets/Main/{part}.txt").write_text(names)
    shown = nas("eval", *folders, "--split", "test")
    assert shown.out.splitlines()[0] == f"1 images of {folders[1]} (voc, test):"
    assert "data: ImageSets/Main/test.txt: 1 test image, which nothing is chosen on" in shown.err


def test_what_is_not_there(folders: tuple[str, str], refused: Callable[..., str], tmp_path: Path) -> None:
    assert "is no export" in refused("eval", str(tmp_path / "animals"), folders[1])
    assert "nowhere" in refused("eval", folders[0], "nowhere")
