"""Every layout of the table gives the same images and boxes, and says how it was read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nas.studies.spec import DataSpec
from nas.tasks.data import layouts, load
from nas.tasks.data.summary import kinds_of
from tests.tasks.data.layouts.builders import BOXES, EXPECTED, coco, images, labels, read, write, xml

SEEDED = "seeded 50/50, seed 0"
BY_PARTS = {"train": "abc", "valid": "d"}


def coco_plain(root: Path) -> None:
    for part, names in (("train", "abc"), ("val", "d")):
        coco(root / f"annotations/instances_{part}.json", names)
        images(root / f"images/{part}", names)


def coco_one_folder(root: Path) -> None:
    for part, names in (("train", "abc"), ("val", "d")):
        coco(root / f"annotations/{part}.json", names)
    images(root / "images")


def roboflow_coco(root: Path) -> None:
    for part, names in BY_PARTS.items():
        coco(root / part / "_annotations.coco.json", names)
        images(root / part, names)


def roboflow_coco_undivided(root: Path) -> None:
    coco(root / "train" / "_annotations.coco.json")
    images(root / "train")


def roboflow_voc(root: Path) -> None:
    for part, names in BY_PARTS.items():
        xml(root / part, names)
        images(root / part, names)


def roboflow_yolo(root: Path) -> None:
    for part, names in BY_PARTS.items():
        labels(root / part / "labels", names)
        images(root / part / "images", names)
    text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: ['cat', 'dog']\n"
    write(root / "data.yaml", text + "roboflow:\n  workspace: w\n")


def roboflow_darknet(root: Path) -> None:
    for part, names in BY_PARTS.items():
        labels(root / part, names)
        images(root / part, names)
        write(root / part / "_darknet.labels", "cat\ndog\n")


def cvat_coco(root: Path) -> None:
    coco(root / "annotations/instances_default.json")
    images(root / "images/default")


def cvat_voc(root: Path) -> None:
    write(root / "ImageSets/Main/default.txt", "a\nb\nc\nd\n")
    xml(root / "Annotations")
    images(root / "JPEGImages")


def cvat_yolo(root: Path) -> None:
    write(root / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    write(root / "obj.names", "cat\ndog\n")
    write(root / "train.txt", "".join(f"data/obj_train_data/{name}.png\n" for name in BOXES))
    images(root / "obj_train_data")
    labels(root / "obj_train_data")


def label_studio_coco(root: Path) -> None:
    coco(root / "result.json", written="images\\{}.png".format)
    images(root / "images")


def label_studio_voc(root: Path) -> None:
    images(root / "images")
    xml(root / "Annotations")


def label_studio_yolo(root: Path) -> None:
    write(root / "notes.json", '{"categories": [{"id": 0, "name": "cat"}], "info": {}}')
    write(root / "classes.txt", "cat\ndog\n")
    images(root / "images")
    labels(root / "labels")


def labelimg_voc(root: Path) -> None:
    images(root)
    xml(root)


def labelimg_yolo(root: Path) -> None:
    images(root)
    labels(root)
    write(root / "classes.txt", "cat\ndog\n")


def kaggle_voc(root: Path) -> None:
    images(root / "Images")
    xml(root / "annotations")


def kaggle_xmls(root: Path) -> None:
    images(root / "images")
    xml(root / "annotations" / "xmls")


def kaggle_parts(root: Path) -> None:
    for part, names in (("train", "abc"), ("val", "d")):
        images(root / "images" / part, names)
        xml(root / "annotations" / part, names)


def kaggle_yolo(root: Path) -> None:
    images(root / "JPEGImages")
    labels(root / "labels")
    write(root / "classes.txt", "cat\ndog\n")


def kaggle_yolo_parts(root: Path) -> None:
    for part, names in BY_PARTS.items():
        images(root / part / "images", names)
        labels(root / part / "labels", names)
    write(root / "classes.txt", "cat\ndog\n")


def single_coco(root: Path) -> None:
    coco(root / "annotations.json")
    images(root / "images")


def voc_trainval(root: Path) -> None:
    cvat_voc(root)
    (root / "ImageSets/Main/default.txt").rename(root / "ImageSets/Main/trainval.txt")


CASES: list[tuple[Callable[[Path], None], str, str]] = [
    (coco_plain, "coco", "instances_train.json, instances_val.json"),
    (coco_one_folder, "coco", "COCO folder with one folder of images: annotations/train.json, annotations/val.json"),
    (roboflow_coco, "coco", "Roboflow COCO export: train, valid"),
    (roboflow_coco_undivided, "coco", f"Roboflow COCO export, {SEEDED}"),
    (roboflow_voc, "voc", "Roboflow VOC export: train, valid"),
    (roboflow_yolo, "yolo", "Roboflow YOLO export: train/images, valid/images"),
    (roboflow_darknet, "yolo", "Roboflow Darknet export: train, valid"),
    (cvat_coco, "coco", f"CVAT COCO export, {SEEDED}"),
    (cvat_voc, "voc", f"CVAT VOC export, {SEEDED}"),
    (cvat_yolo, "yolo", f"CVAT YOLO export, {SEEDED}"),
    (label_studio_coco, "coco", f"Label Studio COCO export, {SEEDED}"),
    (label_studio_voc, "voc", f"XML folder, {SEEDED}"),
    (label_studio_yolo, "yolo", f"Label Studio YOLO export, {SEEDED}"),
    (labelimg_voc, "voc", f"labelImg folder, {SEEDED}"),
    (labelimg_yolo, "yolo", f"labelImg folder, {SEEDED}"),
    (kaggle_voc, "voc", f"XML folder, {SEEDED}"),
    (kaggle_xmls, "voc", f"XML folder, {SEEDED}"),
    (kaggle_parts, "voc", "XML folder with parts: images/train, images/val"),
    (kaggle_yolo, "yolo", SEEDED),
    (kaggle_yolo_parts, "yolo", "YOLO folder with parts: train/images, valid/images"),
    (single_coco, "coco", f"single COCO file, {SEEDED}"),
    (voc_trainval, "voc", f"VOC folder, the images of trainval.txt, {SEEDED}"),
]


@pytest.mark.parametrize(("build", "kind", "how"), CASES, ids=[case[0].__name__ for case in CASES])
def test_every_layout_is_read_and_announced(tmp_path: Path, build: Callable[[Path], None], kind: str, how: str) -> None:
    build(tmp_path)
    assert kinds_of(str(tmp_path)) == (kind,)
    data = load(DataSpec(kind=kind, root=str(tmp_path), val_fraction=0.5), 64)
    assert (data.split, data.classes, data.faults.counts) == (how, ("cat", "dog"), {})
    assert read(data) == EXPECTED
    if "seeded" in how:
        assert (len(data.train), len(data.val)) == (2, 2)
    else:
        assert [Path(name).stem for name in data.val.names] == ["d"]


def test_every_row_of_the_table_has_a_case() -> None:
    covered = {how.split(":")[0].removesuffix(f", {SEEDED}") for _, _, how in CASES}
    named = {layout.name for layout in layouts.LAYOUTS if not layout.plain}
    assert named <= covered


@pytest.mark.parametrize(
    ("build", "kind", "test"),
    [
        (coco_plain, "coco", "images/test"),
        (roboflow_coco, "coco", "test"),
        (roboflow_voc, "voc", "test"),
        (roboflow_yolo, "yolo", "test/images"),
        (cvat_yolo, "yolo", "test.txt"),
        (kaggle_parts, "voc", "images/test"),
        (kaggle_yolo_parts, "yolo", "test/images"),
    ],
)
def test_a_test_part_is_announced_as_not_used(
    tmp_path: Path, build: Callable[[Path], None], kind: str, test: str
) -> None:
    build(tmp_path)
    if test.endswith(".txt"):
        write(tmp_path / test, "x.png\n")
    else:
        images(tmp_path / test, ["x"])
    data = load(DataSpec(kind=kind, root=str(tmp_path), val_fraction=0.5), 64)
    assert f"{test} is not used" in data.faults.notes
    assert read(data) == EXPECTED


def test_a_test_file_of_coco_is_announced_too(tmp_path: Path) -> None:
    coco_plain(tmp_path)
    coco(tmp_path / "annotations/instances_test.json")
    data = load(DataSpec(kind="coco", root=str(tmp_path)), 64)
    assert data.faults.notes == ["annotations/instances_test.json is not used"]


def test_images_of_a_part_for_tests_do_not_come_into_a_seeded_split(tmp_path: Path) -> None:
    images(tmp_path / "images/train")
    labels(tmp_path / "labels/train")
    images(tmp_path / "images/test", ["x"])
    write(tmp_path / "classes.txt", "cat\ndog\n")
    data = load(DataSpec(kind="yolo", root=str(tmp_path), val_fraction=0.5), 64)
    assert (read(data), data.split, data.faults.notes) == (EXPECTED, SEEDED, ["images/test is not used"])


def test_the_nearest_layout_is_that_of_which_most_is_there(tmp_path: Path) -> None:
    assert layouts.nearest(tmp_path, ["coco", "voc", "yolo"]) is None
    roboflow_coco(tmp_path)
    (tmp_path / "valid/_annotations.coco.json").unlink()
    found = layouts.nearest(tmp_path, ["coco", "voc", "yolo"])
    assert found is not None
    assert (found.layout.name, found.complete) == ("Roboflow COCO export", False)
    assert found.missing == ("the annotations (valid/_annotations.coco.json)",)


def test_the_docs_name_every_layout() -> None:
    text = (Path(__file__).parents[4] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for layout in layouts.LAYOUTS:
        assert any(row.startswith(f"| {layout.kind} | ") and layout.name in row for row in rows), layout
