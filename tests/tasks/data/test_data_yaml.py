"""What data.yaml says."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import SpecError
from nas.studies.spec import DataSpec
from nas.tasks.data.data_yaml import DataYaml
from nas.tasks.data.named_files import NamedFiles


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
