"""VOC folders, sound and faulty."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import load, voc
from nas.tasks.data.faults import Faults
from nas.tasks.data.layouts import Part
from nas.tasks.data.voc import VocFiles
from tests.tasks.data.builders import images, write, xml
from tests.tasks.data.folders import voc_object, write_image, write_voc

CELL = voc_object("cell", (11, 6, 30, 25))


def spec(root: Path, **changes: object) -> DataSpec:
    return DataSpec.parse({"kind": "voc", "root": str(root)} | changes)


def test_corners_count_from_one_and_are_inclusive(tmp_path: Path) -> None:
    data = load(spec(write_voc(tmp_path, {"a": [CELL], "b": [CELL]}, ["b"])), 32)
    boxes, labels, crowd = data.val.targets(0)
    assert boxes.tolist() == [[5, 2.5, 15, 12.5]]
    assert (labels.tolist(), crowd.tolist()) == ([0], [False])
    assert data.val.sizes.tolist() == [[48, 64]]
    assert (data.split, data.classes, data.faults.total) == ("ImageSets/Main", ("cell",), 0)


def test_classes_are_sorted_or_listed(tmp_path: Path) -> None:
    objects = [CELL, voc_object("ant", (1, 1, 9, 9)), voc_object("bee", (20, 20, 40, 40))]
    root = write_voc(tmp_path, {"a": objects, "b": objects}, ["b"])
    assert load(spec(root), 64).classes == ("ant", "bee", "cell")
    some = load(spec(root, classes=["cell", "ant"]), 64)
    assert some.classes == ("cell", "ant")
    assert some.train.labels.tolist() == [0, 1]
    assert some.faults.total == 0
    with pytest.raises(UserError, match=r"no object of the class wasp; the data has ant, bee, cell"):
        load(spec(root, classes=["cell", "wasp"]), 64)


def test_without_lists_the_split_is_drawn_by_seed(tmp_path: Path) -> None:
    root = write_voc(tmp_path, {f"i{k:02}": [CELL] for k in range(20)})
    first, again, other = (load(spec(root, seed=seed), 32) for seed in (0, 0, 1))
    assert first.split == "seeded 75/25, seed 0"
    assert (len(first.train), len(first.val)) == (15, 5)
    assert not set(first.train.names) & set(first.val.names)
    assert first.val.names == again.val.names
    assert first.val.names != other.val.names
    assert len(load(spec(root, val_fraction=0.1), 32).val) == 2


def test_difficult_objects_are_a_crowd(tmp_path: Path) -> None:
    objects = [CELL, voc_object("cell", (40, 20, 60, 40), difficult=1)]
    split = load(spec(write_voc(tmp_path, {"a": objects, "b": objects}, ["b"])), 64).val
    assert split.crowd.tolist() == [False, True]


def test_images_without_objects_stay(tmp_path: Path) -> None:
    split = load(spec(write_voc(tmp_path, {"a": [CELL], "empty": [], "b": [CELL]}, ["b"])), 64).train
    assert split.names == ("a.png", "empty.png")
    assert split.first.tolist() == [0, 1, 1]


FAULTY = {
    "degenerate box": voc_object("cell", (10, 10, 10, 10)),
    "box outside the image": voc_object("cell", (70, 10, 90, 20)),
    "box clipped": voc_object("cell", (50, 10, 90, 20)),
    "box under one pixel": voc_object("cell", (10, 10, 11, 20)),
    "unreadable box": "<object><name>cell</name></object>",
}


@pytest.mark.parametrize("kind", FAULTY)
def test_faulty_boxes_are_counted(tmp_path: Path, kind: str) -> None:
    root = write_voc(tmp_path, {"a": [CELL, FAULTY[kind]], "b": [CELL]}, ["b"])
    data = load(spec(root), 16)
    assert data.faults.counts == {kind: 1}
    assert data.faults.examples[kind][0].startswith("Annotations/a.xml, object 2")
    assert len(data.train.boxes) == (2 if kind == "box clipped" else 1)
    assert data.train.boxes.max() <= 16
    with pytest.raises(UserError, match=f"1 faults, refused because of strict\n1 x {kind}: Annotations/a.xml"):
        load(spec(root, strict=True), 16)


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "ten", ""])
def test_a_corner_must_be_a_number(tmp_path: Path, value: str) -> None:
    box = CELL.replace("<xmin>11", f"<xmin>{value}")
    data = load(spec(write_voc(tmp_path, {"a": [CELL, box], "b": [CELL]}, ["b"])), 64)
    assert data.faults.counts == {"unreadable box": 1}


def test_a_pixel_beyond_the_border_is_no_fault(tmp_path: Path) -> None:
    box = voc_object("cell", (0, 0, 65, 49))
    data = load(spec(write_voc(tmp_path, {"a": [box], "b": [CELL]}, ["b"])), 64)
    assert data.train.boxes.tolist() == [[0, 0, 64, 48]]
    assert data.faults.total == 0


def test_faulty_files_are_counted(tmp_path: Path) -> None:
    names = ("good", "no image", "torn image", "no annotation", "torn annotation", "val")
    root = write_voc(tmp_path, {name: [CELL] for name in names}, ["val", "good"])
    (root / "ImageSets/Main/train.txt").write_text("\n".join(names[:-1]))
    (root / "JPEGImages/no image.png").unlink()
    torn = root / "JPEGImages/torn image.png"
    torn.write_bytes(torn.read_bytes()[:500])
    (root / "Annotations/no annotation.xml").unlink()
    (root / "Annotations/torn annotation.xml").write_text("<annotation><object>")
    data = load(spec(root), 64)
    assert data.train.names == ("good.png",)
    assert data.val.names == ("val.png",)
    assert data.faults.counts == {
        "image in train and val": 1,
        "missing image": 1,
        "unreadable image": 1,
        "missing annotation": 1,
        "unreadable annotation": 1,
    }


def test_other_files_among_the_images_are_passed_over(tmp_path: Path) -> None:
    root = write_voc(tmp_path, {"a": [CELL], "b": [CELL]}, ["b"])
    (root / "JPEGImages/a.txt").write_text("notes")
    assert load(spec(root), 64).faults.total == 0


def test_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><annotation>&y;</annotation>'
    with pytest.raises(ValueError, match="a document type is not accepted"):
        voc.parse(bomb)
    with pytest.raises(ValueError, match="a document type is not accepted"):
        voc.parse(bomb.decode().encode("utf-16"))


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    lost = write_voc(tmp_path / "lost", {"a": [CELL], "b": [CELL]}, ["b"])
    (lost / "JPEGImages/b.png").unlink()
    with pytest.raises(UserError, match="none of the 1 images in val can be used\n1 x missing image"):
        load(spec(lost), 64)
    empty = write_voc(tmp_path / "empty", {"a": [], "b": [CELL]}, ["b"])
    with pytest.raises(UserError, match="no objects in train"):
        load(spec(empty), 64)
    hard = write_voc(tmp_path / "hard", {"a": [CELL], "b": [voc_object("cell", (1, 1, 9, 9), difficult=1)]}, ["b"])
    with pytest.raises(UserError, match="no objects in val"):
        load(spec(hard), 64)


def test_what_is_no_voc_folder_is_told_before_reading(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    with pytest.raises(UserError, match=r"is most like a VOC folder, for it has Annotations, but lacks\n .*JPEGImages"):
        load(spec(tmp_path), 64)
    root = write_voc(tmp_path / "half", {"a": [CELL], "b": [CELL]}, ["b"])
    (root / "ImageSets/Main/val.txt").unlink()
    with pytest.raises(UserError, match=r"but lacks\n  the list of images \(ImageSets/Main/val.txt\)"):
        load(spec(root), 64)


def test_real_blood_cells(bccd: Path) -> None:
    data = load(spec(bccd), 160)
    assert (len(data.train), len(data.val)) == (205, 87)
    assert data.classes == ("Platelets", "RBC", "WBC")
    assert data.split == "ImageSets/Main"
    assert data.faults.counts == {"degenerate box": 2}
    assert data.digest == "70bf41db813f0ed7"
    assert data.faults.notes == ["ImageSets/Main/test.txt: 72 test images, which nothing is chosen on"]
    assert set(data.faults.examples["degenerate box"]) == {
        "Annotations/BloodImage_00338.xml, object 13 (RBC)",
        "Annotations/BloodImage_00343.xml, object 4 (RBC)",
    }
    test = data.with_test(0, data.faults).test
    assert test is not None
    assert (len(test), len(test.boxes), data.faults.total) == (72, 945, 2)
    for split in (data.train, data.val, test):
        assert np.all(split.boxes >= 0)
        assert np.all(split.boxes <= (160, 120, 160, 120))


def test_images_may_lie_in_any_format(tmp_path: Path) -> None:
    root = write_voc(tmp_path, {"a": [CELL], "b": [CELL]}, ["b"])
    (root / "JPEGImages/a.png").unlink()
    write_image(root / "JPEGImages/a.JPG")
    assert load(spec(root), 64).train.names == ("a.JPG",)


def test_lists_that_are_not_used_are_announced(tmp_path: Path) -> None:
    root = write_voc(tmp_path, {name: [CELL] for name in "abcd"}, ["b"])
    lists = root / "ImageSets/Main"
    (lists / "train.txt").write_text("a\n")
    (lists / "trainval.txt").write_text("a\nb\nc\n")
    (lists / "test.txt").write_text("d\n")
    data = load(spec(root), 64)
    assert (data.train.names, data.val.names) == (("a.png",), ("b.png",))
    assert data.faults.notes == [
        "ImageSets/Main/trainval.txt is not used; it has 1 names that train.txt and val.txt lack",
        "ImageSets/Main/test.txt: 1 test image, which nothing is chosen on",
    ]


@pytest.mark.parametrize("trainval", [True, False])
def test_images_for_tests_do_not_come_into_a_seeded_split(tmp_path: Path, trainval: bool) -> None:
    root = write_voc(tmp_path, {name: [CELL] for name in "abcd"})
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "test.txt").write_text("d\n")
    if trainval:
        (lists / "trainval.txt").write_text("a\nb\n")
    data = load(spec(root, val_fraction=0.5), 64)
    assert {*data.train.names, *data.val.names} == {f"{name}.png" for name in ("ab" if trainval else "abc")}
    assert "ImageSets/Main/test.txt: 1 test image, which nothing is chosen on" in data.faults.notes
    test = data.with_test(0, data.faults).test
    assert test is not None
    assert test.names == ("d.png",)


def test_blanks_around_names_and_case(tmp_path: Path) -> None:
    objects = [voc_object(name, (11, 6, 30 + k, 25)) for k, name in enumerate(("RBC", " RBC ", "rbc"))]
    data = load(spec(write_voc(tmp_path, {"a": objects, "b": objects}, ["b"])), 64)
    assert (data.classes, data.train.labels.tolist()) == (("RBC", "rbc"), [0, 0, 1])
    assert data.faults.notes == [
        "the class ' RBC ' is read as 'RBC', without blanks around it",
        "the classes RBC, rbc differ in case alone and are kept apart: are they one?",
    ]


@pytest.fixture
def files(tmp_path: Path) -> VocFiles:
    root = tmp_path / "data"
    images(root / "images", "ab")
    xml(root / "xml", "ab")
    return VocFiles(root, Part(root / "xml", root / "images", None))


@pytest.mark.parametrize("name", ["a", "a.png", "a.JPG"])
def test_a_list_may_name_image_files(files: VocFiles, tmp_path: Path, name: str) -> None:
    path = tmp_path / "data/xml/a.xml"
    assert files.xml(name) == (path, "xml/a.xml")
    assert files.image(path, "") == tmp_path / "data/images/a.png"


def test_names_lie_in_folders_too(files: VocFiles, tmp_path: Path) -> None:
    images(tmp_path / "data/images/cam", "c")
    xml(tmp_path / "data/xml/cam", "c")
    path, place = files.xml("cam/c")
    assert path is not None
    assert (place, files.image(path, "c.png")) == ("xml/cam/c.xml", tmp_path / "data/images/cam/c.png")


def test_nothing_outside_of_the_folder_is_read(files: VocFiles, tmp_path: Path) -> None:
    xml(tmp_path, "a")
    write_image(tmp_path / "secret.png")
    for name in ("../../a", str(tmp_path / "a"), "..\\..\\a"):
        assert files.xml(name)[0] is None
    assert files.image(tmp_path / "data/xml/z.xml", "../../secret.png") == tmp_path / "data/images/z.jpg"


def test_unicode_forms_and_the_case_of_extensions_do_not_count(files: VocFiles, tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    write(tmp_path / f"data/xml/{nfd}.XML", "<annotation/>")
    write_image(tmp_path / f"data/images/{nfc}.JPG")
    path, _ = files.xml(nfc)
    assert path is not None
    assert files.image(path, "") == tmp_path / f"data/images/{nfc}.JPG"


def test_of_several_images_of_one_name_the_stated_one_counts(files: VocFiles, tmp_path: Path) -> None:
    write_image(tmp_path / "data/images/a.jpg")
    path = tmp_path / "data/xml/a.xml"
    assert files.image(path, "a.jpg") == tmp_path / "data/images/a.jpg"
    assert files.image(path, "images/a.png") == tmp_path / "data/images/a.png"
    assert files.image(path, "") is None
    assert files.image(path, "b.png") is None


def test_an_image_of_another_name_is_found_by_what_the_xml_states(files: VocFiles, tmp_path: Path) -> None:
    path = tmp_path / "data/xml/0001.xml"
    assert files.image(path, "C:\\pictures\\b.png") == tmp_path / "data/images/b.png"
    assert files.image(path, "gone.png") == tmp_path / "data/images/0001.jpg"


def test_images_without_xml_are_noted(files: VocFiles, tmp_path: Path) -> None:
    write_image(tmp_path / "data/images/z.png")
    faults = Faults()
    assert files.names(faults) == ["a", "b"]
    assert faults.notes == ["1 images in images have no XML file and are not used"]
