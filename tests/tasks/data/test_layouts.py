"""Every layout of the table gives the same images and boxes, and says how it was read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.studies.spec import DataSpec
from nas.tasks.data import Faults, layouts, load
from nas.tasks.data.layouts import Layout, Tree, match, refusal
from nas.tasks.data.summary import matching_kinds
from tests.tasks.data.builders import BOXES, EXPECTED, EXTRA, coco, images, labels, read, write, xml

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
    assert matching_kinds(str(tmp_path)) == (kind,)
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
def test_images_for_tests_without_annotations_are_announced_as_not_used(
    tmp_path: Path, build: Callable[[Path], None], kind: str, test: str
) -> None:
    build(tmp_path)
    if test.endswith(".txt"):
        write(tmp_path / test, "x.png\n")
    else:
        images(tmp_path / test, ["x"])
    data = load(DataSpec(kind=kind, root=str(tmp_path), val_fraction=0.5), 64)
    assert any(note.startswith(f"{test} is not used: ") for note in data.faults.notes)
    assert read(data) == EXPECTED


def test_what_images_for_tests_lack_is_named(tmp_path: Path) -> None:
    coco_plain(tmp_path)
    images(tmp_path / "images/test", ["x"])
    spec = DataSpec(kind="coco", root=str(tmp_path))
    lacks = "it lacks the annotations (instances_test.json or annotations/instances_test.json)"
    assert load(spec, 64).faults.notes == [f"images/test is not used: {lacks}"]
    (tmp_path / "images/test").rename(tmp_path / "elsewhere")
    coco(tmp_path / "annotations/instances_test.json")
    lacks = "it lacks the images (images/test/ or test/)"
    assert load(spec, 64).faults.notes == [f"annotations/instances_test.json is not used: {lacks}"]


def coco_test(root: Path) -> str:
    coco(root / "annotations/instances_test.json", "y")
    images(root / "images/test", "y")
    return "images/test"


def coco_one_folder_test(root: Path) -> str:
    coco(root / "annotations/test.json", "y")
    images(root / "images", "y")
    return "annotations/test.json"


def roboflow_coco_test(root: Path) -> str:
    coco(root / "test/_annotations.coco.json", "y")
    images(root / "test", "y")
    return "test"


def beside_test(write_labels: Callable[..., None]) -> Callable[[Path], str]:
    def build(root: Path) -> str:
        write_labels(root / "test", "y")
        images(root / "test", "y")
        return "test"

    return build


def labels_test(root: Path) -> str:
    labels(root / "test/labels", "y")
    images(root / "test/images", "y")
    return "test/images"


def cvat_yolo_test(root: Path) -> str:
    write(root / "test.txt", "data/obj_train_data/y.png\n")
    images(root / "obj_train_data", "y")
    labels(root / "obj_train_data", "y")
    return "test.txt"


def kaggle_parts_test(root: Path) -> str:
    xml(root / "annotations/test", "y")
    images(root / "images/test", "y")
    return "images/test"


def voc_list_test(root: Path) -> str:
    write(root / "ImageSets/Main/test.txt", "y\n")
    xml(root / "Annotations", "y")
    images(root / "JPEGImages", "y")
    return "ImageSets/Main/test.txt"


@pytest.mark.parametrize(
    ("build", "kind", "add"),
    [
        (coco_plain, "coco", coco_test),
        (coco_one_folder, "coco", coco_one_folder_test),
        (roboflow_coco, "coco", roboflow_coco_test),
        (roboflow_coco_undivided, "coco", roboflow_coco_test),
        (roboflow_voc, "voc", beside_test(xml)),
        (roboflow_yolo, "yolo", labels_test),
        (roboflow_darknet, "yolo", beside_test(labels)),
        (cvat_yolo, "yolo", cvat_yolo_test),
        (cvat_voc, "voc", voc_list_test),
        (voc_trainval, "voc", voc_list_test),
        (kaggle_parts, "voc", kaggle_parts_test),
        (kaggle_yolo_parts, "yolo", labels_test),
    ],
)
def test_images_for_tests_are_read_and_change_nothing(
    tmp_path: Path, build: Callable[[Path], None], kind: str, add: Callable[[Path], str]
) -> None:
    build(tmp_path)
    spec = DataSpec(kind=kind, root=str(tmp_path), val_fraction=0.5)
    before = load(spec, 64)
    place = add(tmp_path)
    data, faults = load(spec, 64), Faults()
    assert f"{place}: 1 test image, which nothing is chosen on" in data.faults.notes
    assert (data.digest, data.split, data.classes) == (before.digest, before.split, before.classes)
    assert read(data) == EXPECTED
    test = data.with_test(1e9, faults).test
    assert test is not None
    assert (test.names, faults.counts) == (("y.png",), {})
    assert test.boxes.round(3).tolist() == [list(map(float, EXTRA["y"]))]
    assert [data.classes[label] for label in test.labels] == ["dog"]


def test_images_of_a_part_for_tests_do_not_come_into_a_seeded_split(tmp_path: Path) -> None:
    images(tmp_path / "images/train")
    labels(tmp_path / "labels/train")
    images(tmp_path / "images/test", ["x"])
    write(tmp_path / "classes.txt", "cat\ndog\n")
    data = load(DataSpec(kind="yolo", root=str(tmp_path), val_fraction=0.5), 64)
    note = "images/test is not used: it lacks the annotations (labels/test/)"
    assert (read(data), data.split, data.faults.notes) == (EXPECTED, SEEDED, [note])


def test_the_nearest_layout_is_that_of_which_most_is_there(tmp_path: Path) -> None:
    assert layouts.nearest(tmp_path, ["coco", "voc", "yolo"]) is None
    roboflow_coco(tmp_path)
    (tmp_path / "valid/_annotations.coco.json").unlink()
    found = layouts.nearest(tmp_path, ["coco", "voc", "yolo"])
    assert found is not None
    assert (found.layout.name, found.complete) == ("Roboflow COCO export", False)
    assert found.missing == ("the annotations (valid/_annotations.coco.json)",)


def test_the_docs_name_every_layout() -> None:
    text = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for layout in layouts.LAYOUTS:
        assert any(row.startswith(f"| {layout.kind} | ") and layout.name in row for row in rows), layout


LAYOUT = Layout(
    "coco", "some export", annotations=("{}/a.json",), images=("{}/",), unless=("other.txt",), seedable=True
)


def test_parts_have_one_of_several_names(tmp_path: Path) -> None:
    for part in ("train2017", "Validation"):
        write(tmp_path / part / "a.json", "{}")
    found = match(LAYOUT, Tree(tmp_path))
    assert found.val is not None
    assert (found.train.annotations, found.val.images) == (tmp_path / "train2017/a.json", tmp_path / "Validation")
    assert found.complete
    assert found.how("") == "some export: train2017, Validation"


def test_without_a_part_for_validation_the_split_is_by_seed(tmp_path: Path) -> None:
    write(tmp_path / "train/a.json", "{}")
    found = match(LAYOUT, Tree(tmp_path))
    assert (found.val, found.complete, found.how("by seed")) == (None, True, "some export, by seed")
    (tmp_path / "val").mkdir()
    found = match(LAYOUT, Tree(tmp_path))
    assert (found.complete, found.missing) == (False, ("the annotations (val/a.json)",))


def test_a_file_of_another_layout_excludes_it(tmp_path: Path) -> None:
    write(tmp_path / "train/a.json", "{}")
    write(tmp_path / "other.txt", "")
    found = match(LAYOUT, Tree(tmp_path))
    assert (found.missing, found.excluded, found.complete) == ((), True, False)


KINDS = ("voc", "coco", "yolo")


def lines(root: Path, *kinds: str) -> tuple[str, str]:
    first, second = refusal(str(root), kinds or KINDS).splitlines()
    return first, second


def test_what_lacks_one_piece_names_it(tmp_path: Path) -> None:
    roboflow_coco(tmp_path)
    (tmp_path / "valid/_annotations.coco.json").unlink()
    first, second = lines(tmp_path)
    assert "is most like a Roboflow COCO export, for it has train/_annotations.coco.json, but lacks" in first
    assert "the annotations (valid/_annotations.coco.json); docs/data.md lists" in second


def test_what_both_parts_lack_is_named_once(tmp_path: Path) -> None:
    for part in ("train", "val"):
        images(tmp_path / "images" / part, ["a"])
    second = lines(tmp_path, "coco")[1]
    assert "the annotations (instances_{train,val}.json or annotations/instances_{train,val}.json);" in second


def test_the_folder_around_a_data_set(tmp_path: Path) -> None:
    cvat_voc(tmp_path / "export")
    (tmp_path / "__MACOSX").mkdir()
    assert "its folder export is a CVAT VOC export" in lines(tmp_path)[0]
    assert lines(tmp_path)[1] == f"  name {tmp_path / 'export'}"


def test_data_of_another_kind(tmp_path: Path) -> None:
    roboflow_coco(tmp_path)
    first, second = lines(tmp_path, "voc")
    assert first == f"{tmp_path} is no voc data, but a Roboflow COCO export:"
    assert second == "  read it as such, by the kind coco"
    shutil.rmtree(tmp_path / "train")
    roboflow_yolo(tmp_path)
    assert "is no voc data, but a YOLO folder with data.yaml" in lines(tmp_path, "voc")[0]


def test_nothing_of_a_data_set(tmp_path: Path) -> None:
    assert "has no annotated images of the kind voc, coco or yolo" in lines(tmp_path)[0]
    images(tmp_path)
    assert "has no annotated images of the kind voc" in lines(tmp_path, "voc")[0]


@pytest.mark.parametrize("part", ["train", "val"])
def test_one_list_without_the_other(tmp_path: Path, part: str) -> None:
    xml(tmp_path / "Annotations")
    images(tmp_path / "JPEGImages")
    write(tmp_path / f"ImageSets/Main/{part}.txt", "a\n")
    other = {"train": "val", "val": "train"}[part]
    assert f"the list of images (ImageSets/Main/{other}.txt)" in lines(tmp_path)[1]


def test_labels_of_one_part_alone(tmp_path: Path) -> None:
    """No seeded split of train where there is a val, though without labels."""
    for part in ("train", "val"):
        images(tmp_path / "images" / part)
    labels(tmp_path / "labels" / "train")
    assert "the annotations (labels/val/)" in lines(tmp_path)[1]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name in ("Annotations/a.XML", "annotations/b.json", "Images/c.txt", "d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("annotations/", "annotations"),  # just this case comes first
        ("Annotations/", "Annotations"),
        ("ANNOTATIONS/*.xml", "Annotations"),
        ("images/", "Images"),
        ("images/c.txt", "Images/c.txt"),
        ("images/C.TXT", "Images/c.txt"),
        ("*.JPG", "."),
        ("/", "."),
        ("images/*.xml", None),
        ("images", None),  # a file is meant
        ("d.jpg/", None),  # a folder is meant
        ("d.jpg/*.xml", None),
        ("gone/x.json", None),
    ],
)
def test_patterns(tree: Tree, pattern: str, found: str | None) -> None:
    assert tree.look_up(pattern) == (tree.root / found if found is not None else None)
