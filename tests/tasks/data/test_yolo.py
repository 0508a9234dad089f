"""YOLO folders, sound and faulty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import check, load
from tests.tasks.data.folders import write_image

CENTRED = "1 .5 .5 .25 .5"


def write(root: Path, lines: Sequence[str] = (CENTRED,), parts: Sequence[str] = ("images/train", "images/val")) -> Path:
    """Two images of 64 x 48 a part, the first with `lines`, and two classes in classes.txt."""
    for part in parts:
        for i in range(2):
            write_image(root / part / f"{i}.png", seed=i)
        labels = root / part.replace("images", "labels") / "0.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("\n".join(lines))
    (root / "classes.txt").write_text("cat\ndog\n")
    return root


def spec(root: Path, **changes: object) -> DataSpec:
    return DataSpec.parse({"kind": "yolo", "root": str(root)} | changes)


def test_boxes_are_parts_of_the_image(tmp_path: Path) -> None:
    data = load(spec(write(tmp_path)), 64)
    assert (data.classes, data.split, data.faults.total) == (("cat", "dog"), "images/train, images/val", 0)
    assert data.train.boxes.tolist() == [[24, 12, 40, 36]]
    assert data.train.labels.tolist() == [1]
    assert data.train.first.tolist() == [0, 1, 1]  # an image without labels shows no object


def test_a_polygon_stands_for_the_box_around_it(tmp_path: Path) -> None:
    data = load(spec(write(tmp_path, ["0 .25 .5 .5 .25 .75 .5 .5 .75"])), 64)
    assert data.train.boxes.tolist() == [[16, 12, 48, 36]]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("1 .5 .5 .25", "label without class x y width height"),
        ("1 .5 .5 .25 .5 .5", "label without class x y width height"),
        ("1 .5 .5 .25 wide", "label that is not of numbers"),
        ("1 32 24 8 8", "label outside of 0 to 1"),
        ("1 nan .5 .5 .5", "label outside of 0 to 1"),
        ("2 .5 .5 .25 .5", "unknown class"),
        ("0.5 .5 .5 .25 .5", "unknown class"),
        ("1 .5 .5 0 .5", "degenerate box"),
    ],
)
def test_a_fault_names_file_and_line(tmp_path: Path, line: str, kind: str) -> None:
    root = write(tmp_path, [CENTRED, "", line])
    data = load(spec(root), 64)
    assert (len(data.train.boxes), data.faults.total) == (1, 2)
    assert kind in data.faults.summary()
    assert "labels/train/0.txt, line 3" in data.faults.summary()
    with pytest.raises(UserError, match="2 faults, refused because of strict"):
        load(spec(root, strict=True), 64)


@pytest.mark.parametrize("names", ["[cat, dog]", "{1: dog, 0: cat}"])
@pytest.mark.parametrize("entry", ["{}/images", "../{}/images", "[./{}/images]"])
def test_data_yaml(tmp_path: Path, names: str, entry: str) -> None:
    root = write(tmp_path, parts=("train/images", "valid/images"))
    (root / "classes.txt").unlink()
    (root / "data.yaml").write_text(f"names: {names}\ntrain: {entry.format('train')}\nval: {entry.format('valid')}\n")
    data = load(spec(root), 64)
    assert (data.classes, len(data.train), len(data.val)) == (("cat", "dog"), 2, 2)
    assert data.train.labels.tolist() == [1]


def test_lists_of_images(tmp_path: Path) -> None:
    root = write(tmp_path, parts=("images",))
    write_image(root / "images" / "2.png")
    (root / "labels" / "1.txt").write_text(CENTRED)
    (root / "train.txt").write_text("images/0.png\n./images/2.png\n")
    (root / "val.txt").write_text("images/0.png\nimages/1.png\n")
    (root / "data.yaml").write_text("path: /elsewhere\nnames: [cat, dog]\ntrain: train.txt\nval: val.txt\n")
    data = load(spec(root), 64)
    assert (data.train.names, data.val.names) == (("0.png", "2.png"), ("1.png",))
    assert "image in train and val" in data.faults.summary()


def test_without_parts_the_split_is_by_seed(tmp_path: Path) -> None:
    root = write(tmp_path, parts=("images",))
    (root / "labels" / "1.txt").write_text(CENTRED)
    data = load(spec(root, val_fraction=0.5), 64)
    assert (len(data.train), len(data.val), data.split) == (1, 1, "seeded 50/50, seed 0")


def test_classes_of_the_study(tmp_path: Path) -> None:
    root = write(tmp_path)
    assert load(spec(root, classes=["dog"]), 64).train.labels.tolist() == [0]  # chosen from those of the folder
    (root / "classes.txt").unlink()
    (fault,) = check(spec(root))
    assert "names no classes" in str(fault)
    with pytest.raises(UserError, match="no object of the class a"):
        load(spec(root, classes=["a", "b"]), 64)  # in the order of their numbers: only b occurs


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("names: [a]\ntrain: gone\n", "there is no {}/gone, which data.yaml names"),
        ("- a", "should be a mapping"),
        ("names: [a, a]", "names a class twice"),
        ("names: {a: b}", "should go from numbers to names"),
    ],
)
def test_faults_of_data_yaml(tmp_path: Path, text: str, fault: str) -> None:
    root = write(tmp_path)
    (root / "data.yaml").write_text(text)
    (found,) = check(spec(root))
    assert fault.format(root) in str(found)
