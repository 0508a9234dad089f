"""Images for tests: announced, kept apart from train and val, decoded only when they are asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import SpecError, UserError
from nas.studies.spec import DataSpec
from nas.tasks.data import Dataset, Faults, decoding, load
from nas.tasks.data.unseen import TWIN
from tests.tasks.data.folders import voc_object, write_image, write_voc

CELL = voc_object("cell", (11, 6, 30, 25))
DOG = voc_object("dog", (11, 6, 30, 25))
LISTS = "ImageSets/Main"


def folder(root: Path, test: str, objects: dict[str, list[str]] | None = None) -> Path:
    """Images a to f with an object each, or other `objects`: c and d for validation, those of `test` for tests."""
    images: dict[str, Any] = {name: [CELL] for name in "abcdef"} | (objects or {})
    write_voc(root, images, val=["c", "d"])
    (root / LISTS / "train.txt").write_text("a\nb\n")
    (root / LISTS / "test.txt").write_text("\n".join(test))
    return root


def read(root: Path, **changes: Any) -> Dataset:
    return load(DataSpec.parse({"kind": "voc", "root": str(root)} | changes), 32)


def read_test(data: Dataset, held: float = 1e9) -> tuple[list[str], Faults]:
    """The names of the test images once they are read, and what was said about them."""
    faults = Faults()
    test = data.with_test(held, faults).test
    return [] if test is None else list(test.names), faults


def test_they_are_announced_and_read_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "data", "ef")
    decoded: list[str] = []
    original = decoding._read_image
    monkeypatch.setattr(decoding, "_read_image", lambda path, *rest: decoded.append(path.name) or original(path, *rest))
    data = read(root)
    assert data.faults.notes == ["ImageSets/Main/test.txt: 2 test images, which nothing is chosen on"]
    assert (data.test, sorted(decoded)) == (None, ["a.png", "b.png", "c.png", "d.png"])
    whole = data.with_test(1e9, Faults())
    assert whole.test is not None
    assert whole.test.names == ("e.png", "f.png")
    assert whole.test.targets(1)[0].tolist() == [[5.0, 2.5, 15.0, 12.5]]
    assert whole.with_test(1e9, Faults()) is whole, "once is enough"


def test_they_change_neither_train_nor_val_nor_the_digest(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", "ef", {"e": [DOG]})
    with_test = read(root).with_test(1e9, Faults())
    (root / LISTS / "test.txt").unlink()
    without = read(root)
    assert (with_test.digest, with_test.classes, with_test.split) == (without.digest, without.classes, without.split)
    assert np.array_equal(with_test.train.batch([0, 1]), without.train.batch([0, 1]))
    assert read_test(without) == ([], Faults())


def test_pixels_stay_in_their_files_where_there_is_no_room(tmp_path: Path) -> None:
    data = read(folder(tmp_path / "data", "ef"))
    room = 2 * 3 * 32**2
    held, left = (data.with_test(n, Faults()).test for n in (room, room - 1))
    assert held is not None
    assert left is not None
    assert held.images is not None
    assert left.images is None
    assert np.array_equal(held.batch([1]), left.batch([1]))


def test_an_image_of_train_or_val_is_left_out_by_its_path(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", "acef")
    data = read(root)
    assert "2 test images" in data.faults.notes[0]
    names, faults = read_test(data)
    assert (names, faults.counts) == (["e.png", "f.png"], {TWIN: 2})
    assert faults.examples[TWIN] == [str(root / "JPEGImages" / name) for name in ("a.png", "c.png")]
    assert data.faults.counts == {}


def test_an_image_of_train_or_val_is_left_out_by_its_content(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", "ef")
    shutil.copy(root / "JPEGImages/b.png", root / "JPEGImages/e.png")
    names, faults = read_test(read(root))
    assert (names, faults.counts) == (["f.png"], {TWIN: 1})
    shutil.copy(root / "JPEGImages/d.png", root / "JPEGImages/f.png")
    assert read_test(read(root))[0] == []


def test_objects_of_classes_that_train_and_val_lack_are_left_out(tmp_path: Path) -> None:
    data = read(folder(tmp_path / "data", "ef", {"e": [CELL, DOG]}))
    names, faults = read_test(data)
    assert (names, faults.total) == (["e.png", "f.png"], 0)
    assert faults.notes == [f"{LISTS}/test.txt: objects of dog, which train and val lack, are left out"]
    assert data.classes == ("cell",)


def test_faults_are_those_of_any_image(tmp_path: Path) -> None:
    flat = voc_object("cell", (9, 9, 9, 20))
    root = folder(tmp_path / "data", "efg", {"e": [CELL, flat], "f": []})
    data = read(root)
    assert data.faults.total == 0
    names, faults = read_test(data)
    assert names == ["e.png", "f.png"], "an image without an object is one"
    assert faults.counts == {"degenerate box": 1, "missing annotation": 1}


def test_strict_refuses_them_when_they_are_read_and_not_before(tmp_path: Path) -> None:
    data = read(folder(tmp_path / "data", "efg"), strict=True)
    with pytest.raises(UserError, match=r"1 faults, refused because of strict\n1 x missing annotation"):
        data.with_test(1e9, Faults())


def unusable(root: Path, what: str) -> str:
    """Spoil the test part; returns the note that says so, behind its place."""
    annotations = [root / f"Annotations/{name}.xml" for name in "ef"]
    if what == "annotations":
        for path in annotations:
            path.unlink()
        return "none of its images can be read (2 x missing annotation)"
    if what == "objects":
        for path in annotations:
            path.write_text("<annotation/>")
        return "no object is annotated in its images"
    if what == "twins":
        (root / LISTS / "test.txt").write_text("a\nb\n")
        return "all its images are in train or val too"
    if what == "images":
        for name in "ef":
            (root / f"JPEGImages/{name}.png").write_bytes(b"no image")
        return "none of its 2 images can be used (2 x unreadable image)"
    if what == "sizes":
        for path in annotations:
            size = "<size><width>32</width><height>24</height></size>"
            path.write_text(path.read_text().replace("<object>", f"{size}<object>"))
        asked = "were they resized after they were annotated?"
        return f"{root}: no image in test has the size that its annotation states: {asked}"
    for path in annotations:
        path.write_text(path.read_text().replace(CELL, voc_object("cell", (90, 90, 99, 99))))
    return "it has no objects of the classes (2 x box outside the image)"


@pytest.mark.parametrize("what", ["annotations", "objects", "twins", "images", "sizes", "boxes"])
def test_what_cannot_be_used_is_noted_with_the_reason(tmp_path: Path, what: str) -> None:
    root = folder(tmp_path / "data", "ef")
    before = read(root).digest
    why = unusable(root, what)
    data = read(root, strict=True)
    names, faults = read_test(data)
    note = f"{LISTS}/test.txt is not used: {why}"
    assert (names, data.digest, faults.counts) == ([], before, {})
    assert note in [*data.faults.notes, *faults.notes]


def divided(root: Path) -> Path:
    return write_voc(root, {name: [CELL] for name in "abcdefghij"}, val=["i", "j"])


def test_a_share_of_train_is_set_aside(tmp_path: Path) -> None:
    root = divided(tmp_path / "data")
    plain, data = read(root), read(root, test_fraction=0.25)
    names, _ = read_test(data)
    assert (len(names), len(data.train)) == (2, 6)
    assert sorted([*names, *data.train.names]) == sorted(plain.train.names)
    assert (data.val.names, data.digest == plain.digest) == (plain.val.names, False)
    assert data.split == f"{LISTS}; 25 % of the training images set aside for tests, seed 0"
    assert data.faults.notes == ["25 % of the training images: 2 test images, which nothing is chosen on"]
    assert read_test(read(root, test_fraction=0.25))[0] == names
    others = {tuple(read_test(read(root, test_fraction=0.25, seed=seed))[0]) for seed in range(1, 6)}
    assert others - {tuple(names)}


def test_at_its_default_nothing_is_set_aside(tmp_path: Path) -> None:
    root = divided(tmp_path / "data")
    assert read(root, test_fraction=0).digest == read(root).digest
    assert read_test(read(root, test_fraction=0)) == ([], Faults())


def test_one_image_at_least_is_set_aside_and_one_stays(tmp_path: Path) -> None:
    root = divided(tmp_path / "data")
    assert [len(read(root, test_fraction=share).train) for share in (0.001, 0.99)] == [7, 1]


def test_a_share_is_refused_where_there_are_images_for_tests(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", "ef")
    with pytest.raises(SpecError) as refused:
        read(root, test_fraction=0.5)
    way = "the data have images for tests, ImageSets/Main/test.txt: leave the key out"
    assert str(refused.value) == f"task.data.test_fraction: {way}"
    unusable(root, "annotations")
    assert len(read_test(read(root, test_fraction=0.5))[0]) == 1, "those that are there cannot be used"


def test_a_broken_file_is_no_failure_of_the_study(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 20, 20]}],
    }
    for k, part in enumerate(("train", "val", "test")):
        write_image(tmp_path / f"images/{part}/a.png", seed=k)
        (tmp_path / f"instances_{part}.json").write_text(json.dumps(content))
    spec = DataSpec(kind="coco", root=str(tmp_path))
    assert read_test(load(spec, 32))[0] == ["a.png"]
    (tmp_path / "instances_test.json").write_text(json.dumps(content | {"annotations": []}))
    assert load(spec, 32).faults.notes == ["images/test is not used: no object is annotated in its images"]
    del content["annotations"]
    (tmp_path / "instances_test.json").write_text(json.dumps(content))
    (note,) = load(spec, 32).faults.notes
    assert note.startswith(f"images/test is not used: {tmp_path}/instances_test.json: not a COCO file:")
