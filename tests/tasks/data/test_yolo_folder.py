"""Where the images and labels of YOLO data are."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import SpecError
from nas.studies.spec import DataSpec
from nas.tasks.data.faults import Faults
from nas.tasks.data.named_files import NamedFiles
from nas.tasks.data.yolo_folder import DataYaml, YoloFolder, read_folder
from tests.tasks.data.builders import write
from tests.tasks.data.folders import write_image


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
    images = found.images(found.train, faults)
    assert [str(found.files.relative(path)) for path in images] == ["a/1.png", "a/deep/2.JPG", "3.png"]
    assert (faults.total, faults.notes) == (0, [])


def test_places_of_data_yaml_that_are_elsewhere_are_noted(tmp_path: Path) -> None:
    write_image(tmp_path / "train/images/0.png")
    write_image(tmp_path / "test/images/0.png")
    write(tmp_path / "data.yaml", "names: [x]\ntrain: ../train/images\nval: ../valid/images\ntest: ../test/images\n")
    faults = Faults()
    found = folder(tmp_path, faults)
    assert faults.notes == [f"data.yaml: ../{part}/images is read as {part}/images" for part in ("train", "test")]
    assert found.test == (tmp_path / "test/images",)
    (fault,) = found.faults
    assert fault.message == f"there is no {tmp_path}/../valid/images, which data.yaml names"


def test_a_place_for_tests_that_is_not_there_is_noted_and_no_fault(tmp_path: Path) -> None:
    write_image(tmp_path / "train/0.png")
    write(tmp_path / "data.yaml", "names: [x]\ntrain: train\ntest: gone\n")
    faults = Faults()
    found = folder(tmp_path, faults)
    assert faults.notes == [f"test of data.yaml is not used: there is no {tmp_path}/gone, which data.yaml names"]
    assert (found.test, found.faults) == ((), ())


def yaml(root: Path, text: str, name: str = "data.yaml") -> DataYaml:
    root.mkdir(exist_ok=True)
    (root / name).write_text(text)
    return DataYaml(DataSpec(kind="yolo", root=str(root)))


@pytest.mark.parametrize(
    ("text", "keypoints"),
    [
        ("names: [a]", None),
        ("kpt_shape: [17, 3]", (17, 3)),
        ("kpt_shape: [2, 2]", (2, 2)),
        ("kpt_shape: null", (0, 0)),
        ("kpt_shape: []", (0, 0)),
    ],
)
def test_keypoints(tmp_path: Path, text: str, keypoints: tuple[int, int] | None) -> None:
    assert yaml(tmp_path, text).keypoints == keypoints


@pytest.mark.parametrize("value", ["17", "[17]", "[17, 4]", "[0, 2]", "[a, 2]", "{a: 1}"])
def test_faulty_keypoints(tmp_path: Path, value: str) -> None:
    with pytest.raises(SpecError, match=r"kpt_shape: should be \[number of keypoints, 2 or 3\]"):
        _ = yaml(tmp_path, f"kpt_shape: {value}").keypoints


@pytest.mark.parametrize(
    ("written", "path", "found", "moved"),
    [
        ("images/train", "", "images/train", False),
        ("./images/train/", "", "images/train", False),
        ("train", "images", "images/train", False),
        ("train", "/elsewhere/images", None, False),
        ("../images/train", "", "images/train", True),
        ("../../images/train", "", "images/train", True),
        ("images\\train", "", "images/train", True),
        ("/home/me/set/images/train", "", "images/train", True),
        ("D:\\set\\images\\train", "", "images/train", True),
        ("other/images/train", "", None, False),  # of a relative path all folders count
        ("../other/images/train", "", None, False),
        ("../beside", "", None, False),  # it is there, but outside
    ],
)
def test_places(tmp_path: Path, written: str, path: str, found: str | None, moved: bool) -> None:
    root = tmp_path / "data"
    (root / "images" / "train").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    (place,) = yaml(root, f"path: '{path}'\ntrain: '{written}'").places("train", NamedFiles(root))
    assert (place.path, place.moved) == (root / found if found is not None else None, moved)


def test_what_is_outside_is_said_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    said = yaml(tmp_path / "data", "train: ../beside\nval: ../gone")
    files = NamedFiles(said.root)
    ((outside,), (gone,)) = (said.places(part, files) for part in ("train", "val"))
    assert said.absent(outside) == (
        f"data.yaml names ../beside, which is outside of {tmp_path / 'data'}: name a folder that holds both"
    )
    assert said.absent(gone) == f"there is no {tmp_path / 'data' / '../gone'}, which data.yaml names"


@pytest.mark.parametrize("name", ["data.yml", "dataset.yaml"])
def test_other_names_of_the_file(tmp_path: Path, name: str) -> None:
    assert yaml(tmp_path, "names: [a]", name).names == {0: "a"}


def test_the_root_may_be_the_file(tmp_path: Path) -> None:
    (tmp_path / "coco8.yaml").write_text("names: {0: a}")
    said = DataYaml(DataSpec(kind="yolo", root=str(tmp_path / "coco8.yaml")))
    assert (said.root, said.names) == (tmp_path, {0: "a"})
