"""YOLO folders, sound and faulty."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import check, load
from nas.tasks.data.faults import Faults
from nas.tasks.data.yolo import YoloRows
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
    rows = ["0 .25 .5 .5 .25 .75 .5 .5 .75", "1 .7 .7 .9 .7 .8 .9", CENTRED]
    data = load(spec(write(tmp_path, rows)), 100)
    assert data.train.boxes[0].tolist() == [25, 18.75, 75, 56.25]
    assert data.train.labels.tolist() == [0, 1, 1]
    assert data.faults.notes == [
        "4 rows are polygons or oriented boxes (2 others are boxes): the box around each is used"
    ]


def test_rows_that_can_be_read_in_two_ways_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, [f"{CENTRED} .5 .5 .4 .4"])
    with pytest.raises(UserError, match=r"2 rows of 9 values may be boxes with keypoints or polygons: say which in"):
        load(spec(root), 64)
    (root / "data.yaml").write_text("kpt_shape: [2, 2]\n")
    assert load(spec(root), 64).train.boxes.tolist() == [[24, 12, 40, 36]]
    (root / "data.yaml").write_text("kpt_shape: null\n")
    assert load(spec(root), 100).train.boxes.tolist() == [[25, 30, 50, 37.5]]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("1 .5 .5 .25", "label without class x y width height"),
        ("1 .5 .5 .25 .5 .5", "label of six values, where predictions have a confidence: leave it out"),
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
        ("names: [a, ' a ']", "names a class twice"),
        ("names: [a]\ntrain: ../other/images\n", "there is no {}/../other/images, which data.yaml names"),
        ("names: {a: b}", "should go from numbers to names"),
    ],
)
def test_faults_of_data_yaml(tmp_path: Path, text: str, fault: str) -> None:
    root = write(tmp_path)
    (root / "data.yaml").write_text(text)
    (found,) = check(spec(root))
    assert fault.format(root) in str(found)


def test_labels_beside_the_images(tmp_path: Path) -> None:
    for part in ("train", "val"):
        write_image(tmp_path / "images" / part / "0.png")
        (tmp_path / "images" / part / "0.txt").write_text(CENTRED)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    data = load(spec(tmp_path), 64)
    assert (data.train.boxes.tolist(), data.split) == ([[24, 12, 40, 36]], "images/train, images/val")


def test_images_without_any_label_file_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "data.yaml").write_text("names: [cat, dog]\ntrain: images/train\nval: images/val\n")
    (root / "labels/val/0.txt").unlink()
    (fault,) = check(spec(root))
    assert str(fault) == (
        f"root: {root} has no label file for the 2 images of val: looked for labels/val/0.txt and images/val/0.txt"
    )


def test_labels_are_found_in_another_unicode_form(tmp_path: Path) -> None:
    root = write(tmp_path)
    for part in ("train", "val"):
        write_image(root / "images" / part / unicodedata.normalize("NFD", "Zürich.png"))
        (root / "labels" / part / unicodedata.normalize("NFC", "Zürich.txt")).write_text(CENTRED)
    assert load(spec(root), 64).train.first.tolist() == [0, 1, 1, 2]


def test_the_root_may_be_data_yaml(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "cats.yaml").write_text("names: [cat, ' dog ']\ntrain: images/train\nval: images/val\n")
    data = load(spec(root / "cats.yaml"), 64)
    assert (data.classes, len(data.train.boxes), len(data.val.boxes)) == (("cat", "dog"), 1, 1)
    assert data.faults.notes == ["the class ' dog ' is read as 'dog', without blanks around it"]
    (fault,) = check(DataSpec(kind="coco", root=str(root / "cats.yaml")))
    assert "is a file: name the folder that holds it" in str(fault)


def test_lists_of_another_machine(tmp_path: Path) -> None:
    """Absolute paths, or with backslashes; never a file outside of the data's folder."""
    root = write(tmp_path / "data", parts=("images",))
    (root / "labels" / "1.txt").write_text(CENTRED)
    write_image(tmp_path / "secret.png")
    (root / "train.txt").write_text(f"/home/me/data/images/0.png\n../secret.png\n{tmp_path / 'secret.png'}\n")
    (root / "val.txt").write_text("images\\1.png\n")
    (root / "data.yaml").write_text("train: train.txt\nval: val.txt\n")
    data = load(spec(root), 64)
    assert (data.train.names, data.val.names) == (("0.png",), ("1.png",))
    assert data.faults.counts == {"missing image": 1}
    assert data.faults.notes[0].startswith("train.txt: 1 names of images are read without their folders")


def test_a_label_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "labels/train/1.txt").mkdir()
    data = load(spec(root), 64)
    assert data.train.names == ("0.png",)
    assert data.faults.examples == {"unreadable label file": ["labels/train/1.txt"]}


NAMES = {0: "cat", 1: "dog"}
BOX = "1 .5 .5 .25 .5"
AROUND = ("dog", (0.375, 0.25, 0.625, 0.75))


def read(line: str, keypoints: tuple[int, int] | None = None) -> object:
    return YoloRows(NAMES, keypoints).read(line)


@pytest.mark.parametrize("keypoints", [None, (0, 0), (2, 2), (17, 3)])
def test_five_values_are_a_box(keypoints: tuple[int, int] | None) -> None:
    assert read(BOX, keypoints) == AROUND


@pytest.mark.parametrize(
    ("points", "keypoints"),
    [
        (".1 .9", (1, 2)),
        (".1 .9 .5 .5", (2, 2)),
        ("0 0 .5 .5", (2, 2)),
        (".1 .9 2", (1, 3)),
        (".1 .9 2 0 0 0", (2, 3)),
        ("-.3 1.4 1", (1, 3)),  # a keypoint may lie outside of the image
    ],
)
def test_keypoints_are_not_used(points: str, keypoints: tuple[int, int]) -> None:
    assert read(f"{BOX} {points}", keypoints) == AROUND


@pytest.mark.parametrize("line", [f"{BOX} .1 .9", f"{BOX} .1", f"{BOX} .1 .9 .1 .9 .1 .9", "1 .5 .5 .25"])
def test_with_keypoints_another_number_of_values_is_a_fault(line: str) -> None:
    assert read(line, (2, 2)) == "label that is neither a box nor one with the keypoints of kpt_shape [2, 2]"


@pytest.mark.parametrize(
    ("line", "corners"),
    [
        ("0 .25 .5 .5 .25 .75 .5", (0.25, 0.25, 0.75, 0.5)),
        ("0 .25 .5 .5 .25 .75 .5 .5 .75", (0.25, 0.25, 0.75, 0.75)),  # four corners: an oriented box, or a polygon
        ("0 .1 .1 .2 .1 .3 .2 .2 .3 .1 .2", (0.1, 0.1, 0.3, 0.3)),
    ],
)
@pytest.mark.parametrize("keypoints", [None, (0, 0)])
def test_corners_stand_for_the_box_around_them(
    line: str, corners: tuple[float, ...], keypoints: tuple[int, int] | None
) -> None:
    assert read(line, keypoints) == ("cat", corners)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"{BOX} .9", "label of six values, where predictions have a confidence: leave it out"),
        (f"{BOX} .9 .9 .9", "label without class x y width height"),
        ("1 .5", "label without class x y width height"),
        ("1", "label without class x y width height"),
        ("1 .5 .5 .25 wide", "label that is not of numbers"),
        (f"{BOX} .5 2", "label outside of 0 to 1"),
        ("2 .5 .5 .25 .5", "unknown class"),
    ],
)
def test_everything_else_is_a_fault(line: str, kind: str) -> None:
    assert read(line) == kind


def concluded(lines: list[str], keypoints: tuple[int, int] | None = None) -> list[str]:
    rows, faults = YoloRows(NAMES, keypoints), Faults()
    for line in lines:
        assert not isinstance(rows.read(line), str)
    rows.conclude("data", faults)
    return faults.notes


@pytest.mark.parametrize(("points", "count"), [(".1 .9", 1), (".5 .5 .5 .5", 2), (".5 .5 1 .4 .4 1", 3)])
def test_boxes_with_keypoints_are_no_polygons_unless_data_yaml_says_so(points: str, count: int) -> None:
    lines = [f"{BOX} {points}", BOX, f"0 .9 .9 .2 .2 {points}"]
    with pytest.raises(UserError, match=rf"data: 2 rows of .* by kpt_shape: \[{count}, 2\] or, for polygons"):
        concluded(lines)
    assert concluded(lines, (0, 0)) == [
        "2 rows are polygons or oriented boxes (1 others are boxes): the box around each is used"
    ]


def test_rows_of_several_lengths_are_polygons() -> None:
    assert concluded([f"{BOX} .1 .9", f"{BOX} .1 .9 .2 .8"]) == [
        "2 rows are polygons or oriented boxes: the box around each is used"
    ]


def test_corners_in_the_lower_right_are_no_boxes() -> None:
    square = "0 .7 .7 .9 .7 .9 .9 .7 .9"
    assert concluded([square, BOX]) == [
        "1 rows are polygons or oriented boxes (1 others are boxes): the box around each is used"
    ]


def test_boxes_alone_need_no_word() -> None:
    assert concluded([BOX, BOX]) == []
    assert concluded([f"{BOX} .1 .9"], (1, 2)) == []


TRIANGLE = "0 .25 .25 .75 .25 .5 .75"


def add_test(root: Path, rows: Sequence[str]) -> Path:
    """Images for tests, of other pixels than those of `write`."""
    for i in range(2):
        write_image(root / f"images/test/{i}.png", seed=10 + i)
    (root / "labels/test").mkdir(parents=True)
    (root / "labels/test/0.txt").write_text("\n".join(rows))
    return root


def test_long_rows_for_tests_are_what_those_of_train_and_val_are(tmp_path: Path) -> None:
    """Alone they may be boxes with keypoints; train and val have shown that they are polygons."""
    root = add_test(write(tmp_path, [TRIANGLE, "1 .7 .7 .9 .7 .8 .9 .6 .6"]), [TRIANGLE])
    data = load(spec(root), 64)
    test = data.with_test(0, Faults()).test
    assert test is not None
    assert test.boxes.tolist() == [[16, 12, 48, 36]]
    assert test.first.tolist() == [0, 1, 1]


def test_long_rows_for_tests_alone_that_may_be_either_are_not_used(tmp_path: Path) -> None:
    root = add_test(write(tmp_path), ["0 .5 .5 .25 .25 .5 .5"] * 3)
    (note,) = load(spec(root), 64).faults.notes
    assert note.startswith(f"images/test is not used: {root}: 3 rows of 7 values may be boxes with keypoints")


def test_images_for_tests_without_labels_are_not_used(tmp_path: Path) -> None:
    root = add_test(write(tmp_path), [])
    assert load(spec(root), 64).faults.notes == ["images/test is not used: no object is annotated in its images"]
