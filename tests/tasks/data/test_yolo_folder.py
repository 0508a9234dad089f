"""Where the images and labels of YOLO data are."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.studies.spec import DataSpec
from nas.tasks.data.faults import Faults
from nas.tasks.data.named_files import NamedFiles
from nas.tasks.data.yolo_folder import YoloFolder, read_folder
from tests.tasks.data.folders import write_image
from tests.tasks.data.layouts.builders import write


def folder(root: Path, faults: Faults | None = None) -> YoloFolder:
    return read_folder(DataSpec(kind="yolo", root=str(root)), faults if faults is not None else Faults())


def test_labels_are_looked_for_in_labels_and_beside(tmp_path: Path) -> None:
    """A folder `images` above the data set is none of its own."""
    root = tmp_path / "images" / "set"
    write(root / "data.yaml", "names: [a]\ntrain: images/train\nval: val\n")
    for part in ("images/train", "val"):
        write_image(root / part / "0.png")
    found = folder(root)
    train, val = root / "images/train/0.png", root / "val/0.png"
    assert list(found.label_files(train)) == [root / "labels/train/0.txt", root / "images/train/0.txt"]
    assert list(found.label_files(val)) == [root / "val/0.txt"]


def test_the_last_folder_images_counts(tmp_path: Path) -> None:
    write(tmp_path / "data.yaml", "names: [a]\ntrain: images/one/images\n")
    write_image(tmp_path / "images/one/images/0.png")
    image = tmp_path / "images/one/images/0.png"
    assert next(folder(tmp_path).label_files(image)) == tmp_path / "images/one/labels/0.txt"


def test_a_layout_may_have_its_labels_elsewhere(tmp_path: Path) -> None:
    write_image(tmp_path / "JPEGImages/cam/0.png")
    write(tmp_path / "labels/cam/0.txt", "")
    found = folder(tmp_path)
    assert next(found.label_files(tmp_path / "JPEGImages/cam/0.png")) == tmp_path / "labels/cam/0.txt"


@pytest.mark.parametrize("file", ["classes.txt", "obj.names", "labels/classes.txt", "images/classes.txt"])
def test_names_of_classes(tmp_path: Path, file: str) -> None:
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    write(tmp_path / file, "cat\n\n dog \n")
    assert folder(tmp_path).names == {0: "cat", 2: "dog"}


def test_images_of_folders_and_lists(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/deep/2.JPG", "3.png"):
        write_image(tmp_path / name)
    write(tmp_path / "list.txt", "a/1.png\n\n3.png\n3.png\n")
    write(tmp_path / "data.yaml", "names: [x]\ntrain: [a, list.txt]\n")
    found, faults = folder(tmp_path), Faults()
    images = found.images(found.train, NamedFiles(tmp_path), faults)
    assert [str(found.told(path)) for path in images] == ["a/1.png", "a/deep/2.JPG", "3.png"]
    assert (faults.total, faults.notes) == (0, [])


def test_places_of_data_yaml_that_are_elsewhere_are_noted(tmp_path: Path) -> None:
    write_image(tmp_path / "train/images/0.png")
    write_image(tmp_path / "test/images/0.png")
    write(tmp_path / "data.yaml", "names: [x]\ntrain: ../train/images\nval: ../valid/images\ntest: ../test/images\n")
    faults = Faults()
    found = folder(tmp_path, faults)
    assert faults.notes == ["test/images is not used", "data.yaml: ../train/images is read as train/images"]
    (fault,) = found.faults
    assert fault.message == f"there is no {tmp_path}/../valid/images, which data.yaml names"
